"""The facts of one section: pixel size, spots on tissue, counts."""

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from builders.sections import GENES, STEP_PX, SectionFiles, make_section_files
from builders.slide_files import MPP
from scipy import sparse

from histospace_core.errors import HistospaceError, PixelSizeError
from histospace_core.training import Section
from histospace_core.training.cohort_check import check_section
from histospace_core.training.section_facts import counts_fingerprint, section_facts


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> SectionFiles:
    return make_section_files(tmp_path_factory.mktemp("section"), "T1", seed=3)


def section(files: SectionFiles, **changes: object) -> Section:
    stated = {"name": "T1", "patient": "T", "mpp": MPP, **files._asdict()}
    return Section(**{**stated, **changes})  # type: ignore[arg-type]


def test_a_sound_section(files: SectionFiles) -> None:
    facts = section_facts(section(files))
    assert not [f for f in check_section(section(files)) if f.severity == "error"]
    assert facts.alignment.verdict in ("aligned", "unclear")
    assert set(facts.genes) == set(GENES)
    assert facts.n_spots == len(pd.read_csv(files.counts, sep="\t"))
    assert facts.n_outside == 0
    assert facts.alignment.on_tissue > 0.9
    assert facts.pitch_um == pytest.approx(STEP_PX * MPP)
    assert (facts.width, facts.height, facts.mpp) == (1400, 1400, MPP)


def test_what_is_missing_is_named(files: SectionFiles, tmp_path: Path) -> None:
    with pytest.raises(PixelSizeError):
        section_facts(section(files, mpp=None))
    (finding,) = check_section(section(files, mpp=None))
    assert (finding.severity, finding.kind, finding.sections) == ("error", "pixel size", ("T1",))
    with pytest.raises(HistospaceError, match="no positions"):
        section_facts(section(files, spots=None))
    (finding,) = check_section(section(files, image=tmp_path / "none.png"))
    assert (finding.severity, finding.kind) == ("error", "unreadable")
    assert "Section 'T1'" in finding.message


def test_one_spot_is_too_few(files: SectionFiles, tmp_path: Path) -> None:
    one = tmp_path / "spots.tsv"
    pd.read_csv(files.spots, sep="\t").iloc[:1].to_csv(one, sep="\t", index=False)
    (finding,) = check_section(section(files, spots=one))
    assert "Fewer than two spots" in finding.message


def test_spots_of_a_reduced_image_are_seen(files: SectionFiles, tmp_path: Path) -> None:
    spots = pd.read_csv(files.spots, sep="\t")
    spots[["pixel_x", "pixel_y"]] //= 4
    reduced = tmp_path / "spots.tsv"
    spots.to_csv(reduced, sep="\t", index=False)
    (finding,) = check_section(section(files, spots=reduced))
    assert finding.kind == "misaligned spots"
    assert "full-resolution pixels" in finding.message


def test_the_same_counts_in_another_order_have_the_same_fingerprint(
    files: SectionFiles, tmp_path: Path
) -> None:
    counts = pd.read_csv(files.counts, sep="\t", index_col=0)
    rng = np.random.default_rng(0)
    again = tmp_path / "other name.tsv"
    counts.iloc[rng.permutation(len(counts)), ::-1].to_csv(again, sep="\t")
    one, other = section_facts(section(files)), section_facts(section(files, counts=again))
    assert one.counts_fingerprint == other.counts_fingerprint != ""


def test_one_more_count_is_another_fingerprint() -> None:
    counts = np.random.default_rng(0).poisson(2.0, (8, 5)).astype(np.float32)

    def fingerprint(matrix: np.ndarray, genes: str) -> str:
        obs = pd.DataFrame(index=[str(i) for i in range(len(matrix))])
        var = pd.DataFrame(index=list(genes))
        return counts_fingerprint(anndata.AnnData(sparse.csr_matrix(matrix), obs=obs, var=var))

    first = fingerprint(counts, "abcde")
    assert fingerprint(counts[::-1][:, [4, 2, 0, 1, 3]], "ecabd") == first
    other = counts.copy()
    other[0, 0] += 1
    assert fingerprint(other, "abcde") != first
