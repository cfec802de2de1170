"""Lists of genes as people have them."""

import pytest

from histospace_core.characterise.gene_lists import read_gene_lists, to_gmt
from histospace_core.characterise.signatures import parse_gmt
from histospace_core.errors import MeasurementError


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("mine.txt", b"ERBB2\nGRB7 CD74, ERBB2;\n"),
        ("mine.txt", b"# from a paper\nERBB2\tGRB7\r\nCD74"),
        ("mine.csv", b"ERBB2\nGRB7\nCD74\n"),
        ("mine.csv", b"rank,Gene,fold\n1,ERBB2,2.0\n2,GRB7,1.9\n\n3, CD74 ,1.1\n4,,1.0\n"),
        ("mine.csv", b"\xef\xbb\xbfsymbol;p\r\nERBB2;0,1\r\nGRB7;0,2\r\nCD74;0,3\r\n"),
        ("mine.csv", b'"gene_name"\t"note"\n"ERBB2"\t"a,b"\n"GRB7"\t""\n"CD74"\n'),
        ("mine.gmt", b"mine\tsource\tERBB2\tGRB7\tCD74\n"),
    ],
)
def test_every_form_gives_the_same_list(name, content):
    (found,) = read_gene_lists(name, content)
    assert (found.name, found.genes) == ("mine", ("ERBB2", "GRB7", "CD74"))


def test_a_gmt_may_hold_many_lists_and_is_written_as_it_was_read():
    content = b"one\ta source\tA\tB\ntwo\t\tC\n"
    lists = read_gene_lists("many.gmt", content)
    assert [found.name for found in lists] == ["one", "two"]
    assert parse_gmt("again", to_gmt(lists)) == lists


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.txt", b"", "contains no gene names"),
        ("a.csv", b"\n \n", "contains no gene names"),
        ("a.csv", b"gene,p\n", "contains no gene names"),
        ("a.csv", b"ERBB2\0GRB7", "not plain text"),
        ("a.txt", b"\xff\xfeE\0", "not UTF-8 text"),
        ("a.csv", b"PK\x03\x04\x90", "not UTF-8 text"),
        ("a.gmt", b"no tabs here", "line 1"),
        ("a.txt", b"A " * 600_000, "larger than 1 MB"),
    ],
)
def test_what_is_no_list_is_refused_in_words(name, content, says):
    with pytest.raises(MeasurementError, match=says) as caught:
        read_gene_lists(name, content)
    assert str(caught.value).startswith(name)
