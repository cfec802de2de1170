"""Held-out scores of signatures: skill that is there, skill that any list has."""

import numpy as np
import pytest
from builders.held_out import make_held, smooth_maps

from histospace_core.characterise import Signature, held_out_signatures

GENES = tuple(f"G{i}" for i in range(40))
LIST = Signature("own", "", GENES[:5])


def section(seed: int, patient: str = "S", common: float = 0.0) -> object:
    """Five genes of one programme, predicted well; the rest of another; both share `common`."""
    rng = np.random.default_rng(seed)
    maps = smooth_maps(rng, 3)
    programme = np.where(np.arange(40) < 5, 0, 1)
    signal = maps[:, programme] + common * maps[:, [2]]
    noise = rng.normal(size=(2, *signal.shape))
    return make_held(
        signal + noise[0], signal + 0.3 * noise[1], section=f"s{seed}", patient=patient, genes=GENES
    )


def test_a_list_that_is_predicted_beats_random_lists() -> None:
    held = [section(0), section(1), section(2, "T")]
    row = held_out_signatures(held, [LIST], set(GENES)).iloc[0]
    assert row["n_used"] == 5
    assert row["ci_low"] < row["held_out_pearson"] < row["ci_high"]
    assert row["held_out_pearson"] > 0.7
    assert row["held_out_pearson"] > row["random_p95"] + 0.2
    assert abs(row["random_pearson"]) < 0.3


def test_where_all_genes_share_a_cause_random_lists_do_as_well() -> None:
    row = held_out_signatures([section(0, common=5.0)], [LIST], set(GENES)).iloc[0]
    assert row["random_pearson"] > 0.8 * row["held_out_pearson"]


def test_too_few_reliable_genes_have_no_score() -> None:
    row = held_out_signatures([section(0)], [LIST], set(GENES[3:])).iloc[0]
    assert row["n_used"] == 0
    assert np.isnan(row["held_out_pearson"])
    assert held_out_signatures([], [LIST], set(GENES))["held_out_pearson"].isna().all()


def test_the_truth_is_every_measured_gene_of_the_list() -> None:
    held = section(0)
    held.measured[:, 3:5] = np.random.default_rng(9).normal(size=(len(held.measured), 2))
    trusted = held_out_signatures([held], [LIST], set(GENES) - {"G3", "G4"}).iloc[0]
    z = (held.measured - held.measured.mean(0)) / held.measured.std(0)
    p = (held.predicted - held.predicted.mean(0)) / held.predicted.std(0)
    r = np.corrcoef(z[:, :5].mean(1), p[:, :3].mean(1))[0, 1]
    assert trusted["held_out_pearson"] == pytest.approx(r, abs=1e-5)
