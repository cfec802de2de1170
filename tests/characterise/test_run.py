"""A run, characterised: what it finds in tissue that is known, and what it marks."""

import json
from pathlib import Path

import numpy as np
import pytest
from builders.characterised_runs import compare, make_run
from sklearn.metrics import adjusted_rand_score

from histospace_core.characterise.run import characterise_run
from histospace_core.errors import MeasurementError, StoreError
from histospace_core.progress import Progress


def test_tumour_and_stroma_are_found_and_named(tmp_path: Path) -> None:
    tumour = make_run(tmp_path / "run")
    found = characterise_run(tmp_path / "run")
    best = found.domains.best
    assert best[0] == -1, "unreadable"
    assert adjusted_rand_score(tumour[1:], best[1:]) > 0.7
    ill = np.bincount(best[1:][tumour[1:]]).argmax()
    assert found.names[ill].endswith("Epithelium")
    assert any(name.endswith("Stroma") for name in found.names)
    facts = found.summary["domains"][ill]
    assert set(facts["top_markers"]) & {"KRT8", "KRT18", "KRT19"}
    assert 0.5 < facts["confidence"] <= 1


def test_only_reliable_genes_count_and_the_share_is_said(tmp_path: Path) -> None:
    make_run(tmp_path / "run")
    found = characterise_run(tmp_path / "run")
    assert found.summary["n_genes_used"] == 12
    assert found.summary["share_reliable"] == 0.6
    assert {"DCN", "EPCAM"}.isdisjoint(found.level.table["gene"])
    assert found.level.table["reliable"].all()
    every = characterise_run(tmp_path / "run", all_genes=True)
    assert every.summary["n_genes_used"] == 20
    assert any("only 60% are reliable" in w for w in every.summary["warnings"])
    table = every.level.table.set_index("gene")
    assert not table.loc[["DCN", "EPCAM"], "reliable"].any()
    assert every.summary["signatures"][0]["share_reliable"] == 0.75


def test_foreign_tiles_are_marked(tmp_path: Path) -> None:
    make_run(tmp_path / "run")
    found = characterise_run(tmp_path / "run")
    assert found.out_of_domain.sum() == 24
    shares = [d["share_outside_training_tissue"] for d in found.summary["domains"]]
    counts = [d["n_tiles"] for d in found.summary["domains"]]
    assert np.dot(shares, counts) == pytest.approx(24)


def test_every_level_is_described_and_its_markers_are_effects_without_p_values(
    tmp_path: Path,
) -> None:
    make_run(tmp_path / "run")
    found = characterise_run(tmp_path / "run")
    assert len(found.levels) == len(found.summary["levels"]) == len(found.domains.resolutions)
    for number, level in enumerate(found.levels):
        assert len(level.names) == found.domains.n_domains[number]
        assert {"p_value", "q_value"}.isdisjoint(level.table)
        least = level.table.groupby("region")["least_effect"].apply(lambda x: x.abs().tolist())
        assert all(values == sorted(values, reverse=True) for values in least)
    assert found.summary["domains"] == found.summary["levels"][found.domains.chosen]["domains"]


def test_drawn_regions_are_tested(tmp_path: Path) -> None:
    tumour = make_run(tmp_path / "run")
    file = tmp_path / "drawn.geojson"
    angle = np.linspace(0, 2 * np.pi, 60)
    ring = np.column_stack([950 + 700 * np.cos(angle), 1250 + 700 * np.sin(angle)])
    edge = [[0, 0], [2400, 0], [2400, 2400], [0, 2400], [0, 0]]
    file.write_text(json.dumps([polygon("Tumour", ring.tolist()), polygon("Rest", edge)]))
    found = characterise_run(tmp_path / "run", annotations=file)
    assert found.summary["agreement"]["ari"] > 0.6
    assert found.summary["agreement"]["ari_shuffled_mean"] < 0.3
    markers = found.region_markers
    assert markers is not None
    called = markers[(markers["region"] == "Tumour") & (markers["q_value"] < 0.1)]
    assert {"KRT8", "KRT18", "KRT19"} <= set(called["gene"])
    assert tumour.any()


def polygon(name: str, ring: list) -> dict:
    return {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {"classification": {"name": name}},
    }


def test_a_comparison_says_what_of_it_is_in_the_tissue(tmp_path: Path) -> None:
    make_run(tmp_path / "run")
    compare(tmp_path / "run", tmp_path / "compared")
    found = characterise_run(tmp_path / "run", comparison=tmp_path / "compared")
    scores = found.summary["levels"][found.domains.chosen]["measured"]
    assert scores["ari"] > scores["ari_shuffled_p95"]
    best = max(scores["effects"], key=lambda row: row["pearson"])
    assert best["pearson"] > best["pearson_shuffled_p95"]
    table = found.level.table.set_index("gene")
    assert (table.loc["KRT8", "measured_q_value"] < 0.1).any()
    rows = {row["signature"]: row for row in found.summary["signatures"]}
    assert rows["Stroma"]["section_pearson"] > 0.5
    assert found.summary["compared_with"] == "compared"


def test_a_comparison_of_another_run_is_refused(tmp_path: Path) -> None:
    make_run(tmp_path / "run")
    compare(tmp_path / "run", tmp_path / "compared")
    summary = json.loads((tmp_path / "compared" / "summary.json").read_text())
    (tmp_path / "compared" / "summary.json").write_text(json.dumps(summary | {"slide": "other"}))
    with pytest.raises(MeasurementError, match="another slide or model"):
        characterise_run(tmp_path / "run", comparison=tmp_path / "compared")


def test_progress_is_reported_before_each_step(tmp_path: Path) -> None:
    make_run(tmp_path / "run")
    events: list[Progress] = []
    characterise_run(tmp_path / "run", on_progress=events.append)
    assert [event.stage for event in events][:2] == ["finding domains", "scoring signatures"]
    assert all(event.done < event.total for event in events)


def test_a_signature_that_failed_on_held_out_patients_names_no_domain(tmp_path: Path) -> None:
    scores = {"n_used": 3, "held_out_pearson": 0.02, "ci_low": -0.1, "ci_high": 0.2}
    skill = {"Stroma": scores | {"random_pearson": 0.1, "random_p95": 0.2}}
    make_run(tmp_path / "run", signatures=skill)
    found = characterise_run(tmp_path / "run")
    assert not any(name.endswith("Stroma") for name in found.names)
    assert any(name.endswith("Epithelium") for name in found.names)
    row = found.signatures.table.set_index("signature").loc["Stroma"]
    assert row["held_out_pearson"] == 0.02
    assert row["note"].endswith("no better than random lists")


def test_a_model_without_reliable_genes_is_refused(tmp_path: Path) -> None:
    make_run(tmp_path / "run", reliable=False)
    with pytest.raises(MeasurementError, match="0 genes of this model are reliable"):
        characterise_run(tmp_path / "run")


def test_no_run_is_said(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no finished prediction"):
        characterise_run(tmp_path)
