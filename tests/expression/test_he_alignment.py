from pathlib import Path

import numpy as np
import pytest

from histospace_core.errors import MeasurementError
from histospace_core.expression.he_alignment import find_alignment, read_alignment, slide_matrix

# the example of 10x: kb.10xgenomics.com/hc/en-us/articles/35386990499853
EXAMPLE = (
    "0.011071028838929093,1.2895790134339569,807.9788953065927\n"
    "-1.2895790134339569,0.011071028838929093,73097.655174759\n0,0,1\n"
)


def test_the_alignment_leads_from_the_slide_to_the_morphology_image(tmp_path: Path) -> None:
    file = tmp_path / "S_he_imagealignment.csv"
    file.write_text(EXAMPLE)
    matrix, he_um = slide_matrix(file, 0.2125)
    assert he_um == pytest.approx(0.2125 * np.hypot(0.011071028838929093, 1.2895790134339569))
    # 10x: the corner of the H&E image lies at these pixels of the morphology image
    corner = np.array([807.9788953065927, 73097.655174759]) * 0.2125
    np.testing.assert_allclose((matrix @ [*corner, 1])[:2], (0, 0), atol=1e-6)
    below = corner + np.array([0.011071028838929093, -1.2895790134339569]) * 0.2125
    np.testing.assert_allclose((matrix @ [*below, 1])[:2], (1, 0), atol=1e-6)


@pytest.mark.parametrize(
    "content",
    ["", "1,0\n0,1\n", "a,b,c\nd,e,f\n0,0,1\n", "1,0,5\n0,1,5\n0.1,0,1\n", "1,2,0\n2,4,0\n0,0,1\n"],
)
def test_what_is_not_an_affine_matrix_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "S_he_imagealignment.csv"
    file.write_text(content)
    with pytest.raises(MeasurementError, match="not an affine matrix"):
        read_alignment(file)


def test_an_absurd_scale_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "S_he_imagealignment.csv"
    file.write_text("100,0,0\n0,100,0\n0,0,1\n")
    with pytest.raises(MeasurementError, match=r"a pixel of the H&E slide is 21\.3 um wide"):
        slide_matrix(file, 0.2125)


def test_the_alignment_of_the_slide_is_found_by_its_names(tmp_path: Path) -> None:
    for name in (
        "S_if_imagealignment.csv",
        "S_if_image_alignment_files/matrix.csv",
        "._S_he_imagealignment.csv",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(EXAMPLE)
    with pytest.raises(MeasurementError, match="there is no"):
        find_alignment(tmp_path, None, tmp_path)
    for name in ("S_he_imagealignment.csv", "S_alignment_files/matrix.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(EXAMPLE)
        assert find_alignment(tmp_path, None, tmp_path) == tmp_path / name
        (tmp_path / name).unlink()
