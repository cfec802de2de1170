"""The record of a run that was made for a benchmark rather than predicted."""

from datetime import UTC, datetime

from histospace_core.inference.record import (
    DomainRecord,
    ModelRecord,
    RunRecord,
    SettingsRecord,
    SlideRecord,
    TilesRecord,
)


def made_record(slide: SlideRecord, model: str, n_tiles: int, tile_level0: float) -> RunRecord:
    """Return the record of a run over a grid of tiles that touch.

    Parameters
    ----------
    slide
        The slide.
    model
        Name of the model.
    n_tiles
        Number of tiles; all are predicted.
    tile_level0
        Side of a tile, level-0 px.
    """
    tile_um = tile_level0 * slide.mpp
    return RunRecord(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        slide=slide,
        model=ModelRecord(
            name=model,
            sha256="0" * 64,
            network="histospace",
            expression_unit="log10_cp10k",
            stored_as="float16",
            training_sections=(),
            metrics={},
            signatures={},
            slide_was_trained_on=False,
        ),
        settings=SettingsRecord(
            stain="none",
            stain_parameters={},
            stride_um=tile_um,
            tile_px=128,
            um_per_px=tile_um / 128,
            device="cpu",
            arithmetic="none",
            agreement_with_fp32=None,
            refused=(),
        ),
        tiles=TilesRecord(
            total=n_tiles,
            side_level0_px=tile_level0,
            stride_level0_px=tile_level0,
            by_reason={"ok": n_tiles},
            excluded={},
            unreadable_at_level0_px=(),
        ),
        domain=DomainRecord(share_outside=0.0, median_score=None, warning=""),
        notes=(),
        versions={},
    )
