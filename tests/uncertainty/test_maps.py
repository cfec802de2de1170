"""What is called confirmed holds in the next section, and one patient confirms nothing."""

import numpy as np
import pytest
from builders.autocorrelated import evidence_of, smooth_section

from histospace_core.uncertainty import MOST_WRONG, SCALES, fit_maps, scales_text

N = 200
TILE, SLIDE = SCALES.index("tile"), SCALES.index("slide")


def patients(slopes: list[np.ndarray | float]) -> list:
    return [
        evidence_of(smooth_section(i, slope=slope, n_genes=N), f"{'ABCDEF'[i]}1")
        for i, slope in enumerate(slopes)
    ]


def test_maps_that_are_right_in_every_patient_are_confirmed() -> None:
    found = patients([0.8] * 4)
    maps = fit_maps(found, found[0].genes, "patient")
    assert maps is not None
    assert np.median(maps.slope) == pytest.approx(0.8, abs=0.1)
    assert (maps.scale == TILE).mean() > 0.95


def test_few_of_the_confirmed_maps_are_unrelated() -> None:
    right = np.arange(N) < N // 2  # the other half of the genes is noise
    found = patients([np.where(right, 1.0, 0.0)] * 4)
    maps = fit_maps(found, found[0].genes, "patient")
    assert maps is not None
    confirmed = maps.scale < SLIDE
    assert confirmed[right].mean() > 0.5
    # noise has the right sign half of the time
    assert 0.5 * confirmed[~right].sum() <= MOST_WRONG * confirmed.sum()


def test_maps_of_noise_are_not_confirmed() -> None:
    found = patients([0.0] * 4)
    maps = fit_maps(found, found[0].genes, "patient")
    assert maps is not None
    assert (maps.scale == SLIDE).mean() > 0.95


def test_patients_who_contradict_each_other_confirm_nothing() -> None:
    found = patients([1.0, -0.6])
    maps = fit_maps(found, found[0].genes, "patient")
    assert maps is not None
    assert (maps.scale == SLIDE).all()
    assert maps.slope_sd.min() > 0.5


def test_one_patient_tells_nothing_of_the_next_but_his_sections_do() -> None:
    sections = [evidence_of(smooth_section(i, slope=0.8, n_genes=N), f"A{i}") for i in range(3)]
    alone = fit_maps(sections, sections[0].genes, "patient")
    assert alone is not None
    assert (alone.scale == SLIDE).all()
    assert (alone.slope == 1).all()
    assert (alone.slope_sd == 1).all()
    his = fit_maps(sections, sections[0].genes, "section")
    assert his is not None
    assert (his.scale == TILE).mean() > 0.95
    assert fit_maps([], ("G0",), "patient") is None


def test_two_patients_who_agree_leave_room_for_a_third() -> None:
    two, four = (
        fit_maps(patients([0.8] * n), tuple(f"G{i}" for i in range(N)), "patient") for n in (2, 4)
    )
    assert two is not None
    assert four is not None
    assert np.median(two.slope_sd) > np.median(four.slope_sd)


def test_a_gene_that_no_patient_counted_has_the_slope_of_the_others() -> None:
    found = patients([0.8, 0.8])
    maps = fit_maps(found, [*found[0].genes, "elsewhere"], "patient")
    assert maps is not None
    assert maps.slope[-1] == pytest.approx(np.median(maps.slope), abs=0.1)
    assert maps.slope_sd[-1] >= np.median(maps.slope_sd)


def test_the_numbers_of_confirmed_genes_in_words() -> None:
    text = scales_text({"tile": 1200, "slide": 3})
    assert text == (
        "1,200 tile by tile, 0 averaged within 200 um, 0 averaged within 600 um, 3 at none of these"
    )
