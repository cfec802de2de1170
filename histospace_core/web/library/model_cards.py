"""Model packages for display: overview, comparison, safe model card and zip archive."""

import io
import re
import zipfile
from collections.abc import Sequence
from typing import Any

import pandas as pd

from histospace_core.catalog import ModelRow
from histospace_core.networks import ModelPackage

# Matches the first character of a picture, of a link target and of an HTML tag.
_LINKS = re.compile(r"!(?=\[)|(?<=\])(?=\()|<(?=[A-Za-z/!])")


def overview(models: Sequence[ModelRow]) -> pd.DataFrame:
    """Return one row per model: its network, training data and scores."""
    return pd.DataFrame([_row(model) for model in models])


def _row(model: ModelRow) -> dict[str, Any]:
    facts, metrics = model.summary, model.summary.get("metrics", {})
    sections = facts.get("training_sections", [])
    return {
        "model": model.name,
        "network": facts.get("network", ""),
        "genes": facts.get("n_genes", 0),
        "reliable": metrics.get("n_genes_reliable"),
        "held_out_r": metrics.get("per_gene_pearson"),
        "error_ratio": metrics.get("mse_ratio_to_mean"),
        "held_out": metrics.get("held_out_by", "not stated"),
        "sections": len(sections),
        "patients": len({s.get("patient") for s in sections if isinstance(s, dict)}),
        "added": model.registered_at,
    }


def score_warning(model: ModelRow) -> str | None:
    """Return the caveats about a model's scores, as sentences; None if there are none."""
    metrics = model.summary.get("metrics", {})
    ratio, by = metrics.get("mse_ratio_to_mean"), metrics.get("held_out_by")
    caveats = []
    if ratio is None:
        caveats.append("This model has no held-out score: the accuracy of its maps is unknown.")
    elif ratio >= 1:
        caveats.append(
            "On held-out sections this model does not beat the mean profile, which uses no image: "
            "do not draw biological conclusions from its maps."
        )
    elif by == "section":
        caveats.append(
            "Scored on other sections of its training patients: expect lower scores on a new "
            "patient."
        )
    if by == "block":
        patient = model.summary.get("adapted", {}).get("patient", "one patient")
        caveats.append(
            f"Adapted to one patient: use it only for slides of {patient}. It was scored on blocks "
            "of the section that it was adapted on: expect other scores on another section."
        )
    return " ".join(caveats) or None


def same_training_data(one: ModelPackage, other: ModelPackage) -> bool:
    """Return whether two models were trained on the same sections of the same patients."""

    def sections(package: ModelPackage) -> set[tuple[str, str]]:
        listed = package.config.get("training_sections", [])
        # the content first, because two cohorts may use one name for different sections
        return {(s.get("image_sha256") or s["section"], s["patient"]) for s in listed}

    return sections(one) == sections(other)


def shared_genes(one: ModelPackage, other: ModelPackage) -> pd.DataFrame:
    """Return the scores of the genes that both models predict, one column per model and score.

    Columns `held_out_pearson_a`, `…_b`, `mse_ratio_to_mean_a`, `…_b`, `reliable_a`, `…_b` and
    `difference`, the second model's correlation minus the first's; largest first.
    """
    scores = ["gene", "held_out_pearson", "mse_ratio_to_mean", "reliable"]
    table = one.genes[scores].merge(other.genes[scores], on="gene", suffixes=("_a", "_b"))
    table["difference"] = table["held_out_pearson_b"] - table["held_out_pearson_a"]
    return table.sort_values("difference", ascending=False, ignore_index=True)


def card_markdown(package: ModelPackage) -> str:
    """Return the card for display under the page's headings, without pictures, links or HTML.

    A card may come from elsewhere, and a picture in it would make the browser contact a server.
    """
    body = re.sub(r"\A# .*\n", "", package.card)
    return _LINKS.sub(lambda found: "\\" + found[0], re.sub(r"^(#+) ", r"##\1 ", body, flags=re.M))


def package_zip(package: ModelPackage) -> bytes:
    """Return the package as a zip archive of one folder that has its name."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
        for file in sorted(package.directory.iterdir()):
            if file.is_file():
                out.write(file, f"{package.name}/{file.name}")
    return archive.getvalue()
