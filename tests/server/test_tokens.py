"""Links that we signed work, and no others."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from histospace_core.errors import StoreError
from histospace_core.server import tokens as module
from histospace_core.server.tokens import WINDOW_S, Tokens


@pytest.fixture
def tokens(tmp_path: Path) -> Tokens:
    return Tokens(tmp_path)


def verify(tokens: Tokens, link: str) -> bool:
    parts = urlsplit(link)
    return tokens.verify(parts.path, dict(parse_qsl(parts.query)))


def test_a_signed_link_works_and_only_as_signed(tokens: Tokens) -> None:
    link = tokens.sign("/api/slides/ab/image.jpg", max=2048)
    assert verify(tokens, link)
    assert not verify(tokens, link.replace("/ab/", "/cd/"))
    assert not verify(tokens, link.replace("2048", "4096"))
    assert not verify(tokens, link + "&more=1")
    # not the last letter: two of its bits are padding
    assert not verify(tokens, link[:-5] + ("A" if link[-5] != "A" else "B") + link[-4:])
    assert not verify(tokens, "/api/slides/ab/image.jpg?max=2048")


@pytest.mark.parametrize("token", ["", ".", "x.y", "9" * 40 + ".x", "9" * 5000 + ".x", "²³.x"])
def test_junk_tokens(tokens: Tokens, token: str) -> None:
    assert not tokens.allows("upload", token)


def test_a_grant_is_for_one_purpose(tokens: Tokens) -> None:
    assert tokens.allows("upload", tokens.grant("upload"))
    assert not tokens.allows("delete", tokens.grant("upload"))


def test_links_expire_and_are_the_same_meanwhile(tokens: Tokens, monkeypatch) -> None:
    clock = [1_000_000 * WINDOW_S + 1.0]
    monkeypatch.setattr(module.time, "time", lambda: clock[0])
    link = tokens.sign("/a")
    clock[0] += WINDOW_S - 2
    assert tokens.sign("/a") == link
    assert verify(tokens, link)
    clock[0] += 2
    assert tokens.sign("/a") != link
    assert verify(tokens, link)
    clock[0] += WINDOW_S
    assert not verify(tokens, link)


def test_the_secret_is_private_and_stays(tokens: Tokens, tmp_path: Path) -> None:
    file = tmp_path / "secret.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert verify(Tokens(tmp_path), tokens.sign("/a"))
    assert not verify(Tokens(tmp_path / "other"), tokens.sign("/a"))


def test_of_many_first_starts_one_makes_the_secret(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: Tokens(tmp_path / "new"), range(16)))
    assert all(verify(made[0], each.sign("/a")) for each in made)
    assert [f.name for f in (tmp_path / "new").iterdir()] == ["secret.key"]


def test_a_store_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"secret\.key cannot be read or made"):
        Tokens(tmp_path / "file")
