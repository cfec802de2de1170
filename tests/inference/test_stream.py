"""A GPU encodes whole chunks ahead; here on a CPU, beside the blocks that a CPU encodes alone."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from builders.packages import make_package
from builders.slide_files import MPP, make_slide

from histospace_core.errors import SlideError
from histospace_core.inference.prepare import plan_of
from histospace_core.inference.stream import Chunk, stream_chunks
from histospace_core.networks import Predictor
from histospace_core.slides.open import open_slide
from histospace_core.slides.tissue import find_tissue


@pytest.mark.parametrize("plus", [False, True])
def test_chunks_encoded_ahead_equal_those_of_a_cpu(
    plus: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("histospace_core.slides.plan.CHUNK_TILES", 12)
    monkeypatch.setattr("histospace_core.inference.prepare.DENSE_BLOCK_TILES", 4)
    package = make_package(tmp_path, plus=plus)
    with (
        open_slide(make_slide(tmp_path / "slide.png"), MPP) as slide,
        Predictor(package, "cpu") as predict,
    ):
        plan = plan_of(slide, find_tissue(slide), package, None)
        assert len(plan.chunks) > 1

        def run() -> tuple[list[Chunk], list[int]]:
            done: list[int] = []
            streamed = stream_chunks(
                slide, plan, plan.chunks, predict, package.views, lambda p: p, done.append
            )
            return list(streamed), done

        expected, tiles = run()
        predict.on_gpu = True
        found, tiles_ahead = run()
        assert tiles == tiles_ahead
        for chunk, wanted in zip(found, expected, strict=True):
            assert chunk.tiles == wanted.tiles
            np.testing.assert_allclose(chunk.codes, wanted.codes, atol=1e-4)
            pd.testing.assert_frame_equal(chunk.columns, wanted.columns, atol=1e-4)

        def fail(*_: object) -> None:
            raise SlideError("gone", path=slide.path)

        monkeypatch.setattr("histospace_core.inference.stream.cut_block", fail)
        monkeypatch.setattr("histospace_core.inference.stream.cut_block_windows", fail)
        with pytest.raises(SlideError, match="gone"):
            run()
