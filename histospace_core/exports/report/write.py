"""Write a report as HTML, or as PDF from the same HTML."""

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import jinja2

from histospace_core import __version__
from histospace_core.errors import StoreError
from histospace_core.exports.report import content, drawings
from histospace_core.exports.report.domains import domain_rows, domain_scores, read_domains
from histospace_core.exports.report.methods import methods
from histospace_core.figures.colours import unit_label
from histospace_core.files import create
from histospace_core.inference import RESEARCH_USE, Prediction

N_COMPARED: Final = 3
"""Number of genes of a comparison that are shown as maps."""
_NO_PANGO = (
    "PDF reports need the library Pango, which is not installed; install it (Debian: "
    "apt-get install libpango-1.0-0 libpangoft2-1.0-0) or write the report as HTML."
)


def write_report(prediction: Prediction, genes: Sequence[str], out: Path) -> None:
    """Write the report of a run; the same run always gives the same bytes.

    The report includes the comparisons and the newest characterisation in the run's folder.

    Parameters
    ----------
    prediction : Prediction
        An opened run.
    genes : sequence of str
        Genes to show as maps.
    out : pathlib.Path
        A new file ``*.html`` (self-contained) or ``*.pdf``.

    Raises
    ------
    StoreError
        The file has another extension, exists or cannot be written, or the run is damaged.
    """
    ending = out.suffix.lower()
    if ending not in (".html", ".pdf"):
        raise StoreError(
            f"'{out.name}': a report is HTML or PDF; use a name that ends in .html or .pdf."
        )
    with create(out) as part:
        html = _html(prediction, genes)
        part.write_bytes(html.encode() if ending == ".html" else _pdf(html))


def _html(prediction: Prediction, genes: Sequence[str]) -> str:
    unit = unit_label(prediction.record.model.expression_unit)
    compared = content.comparisons(prediction.run_dir)
    domains = read_domains(prediction.run_dir)
    paragraph, works = methods(prediction, compared=bool(compared), domains=domains is not None)
    names = [d["domain"] for d in domains.summary["domains"]] if domains else []
    best = prediction.var.dropna(subset=["held_out_pearson"]).query("reliable")
    best = best.sort_values("held_out_pearson", ascending=False, kind="stable")
    return _template().render(
        record=prediction.record,
        version=__version__,
        use=RESEARCH_USE,
        unit=unit,
        warnings=content.warnings(prediction),
        overview=_data(drawings.overview(prediction)),
        slide=content.slide_rows(prediction),
        tiles=content.tile_rows(prediction),
        model=content.model_rows(prediction),
        scores=content.score_rows(prediction),
        maps=[
            (_data(drawings.gene_map(prediction, gene, unit)), row)
            for gene, row in zip(genes, content.gene_rows(prediction, genes), strict=True)
        ],
        reliability=_data(drawings.reliability(prediction.var)),
        calibration=_data(_calibration(prediction)),
        # without reliability: all are reliable
        best=[row[:-1] for row in content.gene_rows(prediction, best.index[: content.N_BEST])],
        comparisons=[_comparison(prediction, c, genes, unit) for c in compared],
        domains=domains and {
            "map": _data(drawings.domain_map(prediction, domains.labels, names)),
            "rows": [
                (drawings.domain_colour(number), row)
                for number, row in enumerate(domain_rows(domains))
            ],
            "scores": domain_scores(domains),
            "warnings": domains.summary.get("warnings", []),
            "used": domains.summary.get("n_genes_used"),
        },
        methods=paragraph,
        works=works,
    )  # fmt: skip


def _calibration(prediction: Prediction) -> bytes | None:
    curve = prediction.record.model.metrics.get("interval", {}).get("calibration")
    return drawings.calibration(curve) if curve else None


def _comparison(
    prediction: Prediction, comparison: Any, genes: Sequence[str], unit: str
) -> dict[str, Any]:
    rows = content.compared_genes(comparison, genes, N_COMPARED)
    return {
        "spots": comparison.summary["n_spots"],
        "columns": content.comparison_columns(comparison),
        "rows": content.comparison_rows(comparison),
        "notes": content.comparison_notes(comparison),
        "genes": rows,
        "maps": [
            (row[0], _data(drawings.compared_maps(prediction, comparison, row[0], unit)))
            for row in rows
        ],
    }


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("histospace_core.exports.report", "."),
        autoescape=True,  # names come from files
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,  # a misspelt name must not print as nothing
    )
    return environment.get_template("report.html.j2")


def _data(picture: bytes | None) -> str:
    if picture is None:
        return ""
    kind = "png" if picture.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode()}"


def _pdf(html: str) -> bytes:
    try:
        import weasyprint
    except OSError as error:  # its C libraries are missing
        raise StoreError(_NO_PANGO) from error
    from matplotlib import font_manager

    # The fonts come with matplotlib, so that a PDF does not depend on the fonts of the machine.
    fonts = "".join(
        f'@font-face {{ font-family: "Report"; font-weight: {weight}; src: url("{face}") }}'
        for weight, face in (
            (400, Path(font_manager.findfont("DejaVu Sans")).as_uri()),
            (700, Path(font_manager.findfont("DejaVu Sans:bold")).as_uri()),
        )
    )
    style = weasyprint.CSS(string=fonts + 'body { font-family: "Report" !important }')
    # PDF/UA has tags, which screen readers need
    document = weasyprint.HTML(string=html).write_pdf(
        stylesheets=[style], pdf_variant="pdf/ua-1", optimize_images=False
    )
    return bytes(document)
