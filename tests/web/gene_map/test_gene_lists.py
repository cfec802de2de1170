"""What is said of a list of genes, and how signatures of a run are kept and found."""

from pathlib import Path

import pytest

from histospace_core.characterise.gene_lists import to_gmt
from histospace_core.characterise.signatures import Signature, read_gmt
from histospace_core.errors import StoreError
from histospace_core.expression.search import GeneFinder
from histospace_core.server.signature_lists import (
    key_of,
    layer_of,
    run_signature,
    run_signatures,
    save_signatures,
    signature_key,
)
from histospace_core.web.gene_map.gene_lists import sentences


def test_strangers_and_ambiguous_names_are_one_sentence() -> None:
    finder = GeneFinder(["ERBB2", "CD40LG"], ["ENSG00000141736", "ENSG00000102245"])
    said = sentences(finder.find("HER2 TP53 nonsense TRAP <b>"))
    assert said[0] == "1 found."
    assert said[1] == "HER2 is ERBB2."
    (left_out,) = said[2:]
    assert left_out.startswith("Left out: not predicted by this model: TP53; ")
    assert r"no gene has this name: nonsense, \<b\>; " in left_out
    assert "more than one gene has this name: TRAP" in left_out
    assert sentences(finder.find("ERBB2")) == ["1 found."]


def test_a_kept_list_is_found_again_by_its_key_beside_the_shipped_ones(tmp_path: Path) -> None:
    own = Signature("my list/of, 3~", "list of the user", ("ERBB2", "GRB7", "nonsense"))
    key = signature_key(save_signatures(tmp_path, to_gmt([own])), own)
    assert run_signature(tmp_path, key) == own
    known = run_signatures(tmp_path)
    assert known[key] == own
    assert list(known.values())[:-1] == read_gmt()
    first = next(iter(known))
    assert run_signature(tmp_path, first) == read_gmt()[0]
    assert key_of(layer_of(key)) == key
    assert key_of("ERBB2") is None


@pytest.mark.parametrize(
    "key", ["", "shipped", "shipped/none", "../secret/x", f"{'0' * 16}/x", "x/../../y", "\0/\0"]
)
def test_a_signature_that_is_not_there_is_refused_in_words(tmp_path: Path, key: str) -> None:
    with pytest.raises(StoreError, match="no such signature"):
        run_signature(tmp_path, key)
