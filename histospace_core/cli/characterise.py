"""`histospace characterise`: find tissue domains, their markers and their stability."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from histospace_core.cli.terminal import Out, out


def characterise(
    run_dir: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    to: Out,
    signatures: Annotated[
        Path | None, typer.Option(help="GMT file to use instead of the included signatures.")
    ] = None,
    annotations: Annotated[
        Path | None, typer.Option(help="GeoJSON file of regions to compare the domains with.")
    ] = None,
    comparison: Annotated[
        Path | None,
        typer.Option(help="Folder of a comparison of this run, to check the domains."),
    ] = None,
    all_genes: Annotated[
        bool, typer.Option("--all-genes", help="Also use genes that are not reliable.")
    ] = False,
    seed: int = 0,
) -> None:
    """Find the tissue domains of a run, their markers, and the score of each signature."""
    from histospace_core.exports.characterisation import characterise_to

    found = characterise_to(
        run_dir,
        to,
        signatures=signatures,
        annotations=annotations,
        comparison=comparison,
        all_genes=all_genes,
        seed=seed,
    )
    table = Table("domain", "tiles", "confidence", "clearest markers", "trust")
    for domain in found.summary["domains"]:
        table.add_row(
            domain["domain"],
            f"{domain['n_tiles']:,}",
            f"{domain['confidence']:.2f}",
            ", ".join(domain["top_markers"]) or "none clear",
            domain["trust"],
        )
    out.print(table)
    summary = found.summary
    out.print(
        f"{summary['n_genes_used']:,} of {summary['n_genes']:,} genes used "
        f"({summary['share_reliable']:.0%} are reliable): {to}"
    )
    level = summary["levels"][summary["chosen_level"]]
    out.print(
        f"stability {level['stability']:.2f}; noise without domains: "
        f"{level['stability_control']:.2f}"
    )
    if level["measured"] and "ari" in level["measured"]:
        scores = level["measured"]
        out.print(
            f"agreement with {scores['n_measured_domains']} measured domains: ARI "
            f"{scores['ari']:.3f}; of domains moved elsewhere {scores['ari_shuffled_mean']:.3f} "
            f"(p = {scores['p_value']:.3f})"
        )
    if "agreement" in summary:
        scores = summary["agreement"]
        out.print(
            f"agreement with the annotations: ARI {scores['ari']:.3f}; of domains moved elsewhere "
            f"{scores['ari_shuffled_mean']:.3f} (p = {scores['p_value']:.3f})"
        )
    for warning in summary["warnings"]:
        out.print(warning, style="yellow", markup=False)
