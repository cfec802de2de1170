"""A section is looked at: pixel size, spots on tissue, counts."""

import numpy as np
import pandas as pd
import pytest
from builders.sections import GENES, STEP_PX, make_section_files
from builders.slide_files import MPP

from histospace_core.catalog import SlideRow
from histospace_core.web.train.section_check import check_section


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return make_section_files(tmp_path_factory.mktemp("section"), "T1", seed=3)


def slide(files, **change):
    facts = {
        "id": "t",
        "name": "T1.png",
        "path": str(files.image),
        "mpp": MPP,
        "mpp_source": "user",
        "counts_path": str(files.counts),
        "spots_path": str(files.spots),
    }
    return SlideRow(**{**facts, **change})


def test_a_sound_section(files):
    check = check_section(slide(files))
    assert check.problem == ""
    assert check.verdict in ("aligned", "unclear")
    assert set(check.genes) == set(GENES)
    assert check.n_spots == len(pd.read_csv(files.counts, sep="\t"))
    assert check.on_tissue > 0.9
    assert check.spacing_um == pytest.approx(STEP_PX * MPP)


def test_what_is_missing_is_named(files):
    assert "no measured expression yet" in check_section(slide(files, counts_path=None)).problem
    assert "pixel size of T1.png is not known" in check_section(slide(files, mpp=None)).problem
    assert "no positions" in check_section(slide(files, spots_path=None)).problem


def test_spots_of_a_reduced_image_are_seen(files, tmp_path):
    spots = pd.read_csv(files.spots, sep="\t")
    spots[["pixel_x", "pixel_y"]] //= 4
    reduced = tmp_path / "spots.tsv"
    spots.to_csv(reduced, sep="\t", index=False)
    check = check_section(slide(files, spots_path=str(reduced)))
    assert check.verdict == "misaligned"
    assert check.problem == check.note
    assert "full-resolution pixels" in check.problem


def test_the_same_counts_in_another_order_have_the_same_print(files, tmp_path):
    counts = pd.read_csv(files.counts, sep="\t", index_col=0)
    rng = np.random.default_rng(0)
    again = tmp_path / "other name.tsv"
    counts.iloc[rng.permutation(len(counts)), ::-1].to_csv(again, sep="\t")
    one, other = check_section(slide(files)), check_section(slide(files, counts_path=str(again)))
    assert one.fingerprint == other.fingerprint != ""
