"""Finding genes by whatever name they are known by, on the shipped reference table."""

import pytest

from histospace_core.expression.search import GeneFinder

PANEL = {
    "ERBB2": "ENSG00000141736",
    "CD74": "ENSG00000019582",
    "KRT19": "ENSG00000171345",
    "FAM129B": "ENSG00000136830",  # today NIBAN2
    "CD40LG": "ENSG00000102245",
    "NOVEL1": "",
}


@pytest.fixture(scope="module")
def finder() -> GeneFinder:
    return GeneFinder(list(PANEL), list(PANEL.values()))


@pytest.mark.parametrize(
    ("name", "gene"),
    [
        ("ERBB2", "ERBB2"),
        ("erbb2", "ERBB2"),
        ("HER2", "ERBB2"),
        ("her2", "ERBB2"),
        ("ENSG00000141736", "ERBB2"),
        ("ENSG00000141736.14", "ERBB2"),
        ("NIBAN2", "FAM129B"),
        ("FAM129B", "FAM129B"),
        ("NOVEL1", "NOVEL1"),
    ],
)
def test_a_gene_is_found_by_any_of_its_names(finder, name, gene):
    found = finder.find(name)
    assert found.genes == (gene,)
    assert (name in found.renamed) == (name != gene)


def test_a_pasted_list_keeps_its_order_and_tells_what_it_could_not_find(finder):
    found = finder.find("krt19, HER2;\tERBB2\nTP53  not-a-gene ENSG99999999999 ENSG00000141510")
    assert found.genes == ("KRT19", "ERBB2")
    assert found.renamed == {"krt19": "KRT19", "HER2": "ERBB2"}
    assert found.absent == ("TP53", "ENSG00000141510")
    assert found.unknown == ("not-a-gene", "ENSG99999999999")


def test_an_ambiguous_name_is_never_guessed(finder):
    assert finder.find("CD154").genes == ("CD40LG",)
    found = finder.find("TRAP trap")
    assert (found.genes, found.unknown) == ((), ())
    assert set(found.ambiguous) == {"TRAP", "trap"}
    assert {"CD40LG", "ACP5"} <= set(found.ambiguous["TRAP"])


def test_the_whole_list_is_kept_whatever_was_found(finder):
    found = finder.find("HER2 TP53 nonsense TRAP")
    assert found.names == ("ERBB2", "TP53", "nonsense", "TRAP")


@pytest.mark.parametrize("text", ["", "  ,;\n", "\x00", "<script>", "=1+1", "a" * 5000])
def test_what_is_no_gene_finds_nothing(finder, text):
    assert finder.find(text).genes == ()


def test_other_names_belong_to_one_gene_only(finder):
    assert "HER2" in finder.other_names("ERBB2")
    assert "NIBAN2" not in finder.other_names("ERBB2")
    assert finder.other_names("NOVEL1") == []
