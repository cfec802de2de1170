"""Gene names: symbols, previous symbols, aliases and Ensembl ids, reconciled by a dated table."""

import re
from collections.abc import Sequence

import pandas as pd

NO_ID = ""
ENSEMBL = re.compile(r"^(ENS[A-Z]*G\d{11})(\.\d+)?(_PAR_Y)?$")


def strip_version(name: str) -> str:
    """Return an Ensembl gene id without its version (`ENSG00000141736.14` -> `ENSG00000141736`).

    Any other name comes back as it is, without surrounding blanks.
    """
    match = ENSEMBL.match(name.strip())
    return match.group(1) if match else name.strip()


def reconcile_genes(names: Sequence[str]) -> pd.DataFrame:
    """Placeholder until the table ships: Ensembl ids are told from symbols, nothing is mapped."""
    ids = [strip_version(n) for n in names]
    is_id = [bool(ENSEMBL.match(n.strip())) for n in names]
    return pd.DataFrame(
        {
            "name": list(names),
            "gene": ["" if e else i for i, e in zip(ids, is_id, strict=True)],
            "gene_id": [i if e else NO_ID for i, e in zip(ids, is_id, strict=True)],
            "how": ["ensembl" if e else "symbol" for e in is_id],
        }
    )
