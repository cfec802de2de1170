"""Every command in the documentation: all are parsed, those of one page are run."""

import json
import shlex
from pathlib import Path

import pytest
from builders.checkout import PROJECT
from docs.commands import PAGES, UsageError, commands, parse
from typer.testing import CliRunner

from histospace_core.cli import app

SHELL = PROJECT / "docs" / "shell.md"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_is_one_that_the_command_line_takes(page: Path) -> None:
    for line, arguments in commands(page):
        for alternative in alternatives(arguments):
            try:
                parse(alternative)
            except UsageError as error:
                pytest.fail(f"{page.name}: {line}: {error}")


def test_the_pages_have_commands_and_wrong_ones_are_found() -> None:
    found = {page.name: len(list(commands(page))) for page in PAGES}
    assert found["shell.md"] >= 14
    assert found["README.md"] >= 6
    assert found["training.md"] >= 4
    for wrong in ("predict", "predict a.svs --model m --out o --colour red", "paint a.svs"):
        with pytest.raises(UsageError):
            parse(shlex.split(wrong))


@pytest.mark.slow
def test_the_commands_of_the_first_two_blocks_run_as_they_stand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = SHELL.read_text("utf-8").split("## A slide without a pixel size")[0]
    (tmp_path / "page.md").write_text(text)
    ran = list(commands(tmp_path / "page.md"))
    (tmp_path / "page.md").unlink()
    for line, arguments in ran:
        done = CliRunner().invoke(app, arguments)
        assert done.exit_code == 0, f"{line}: {done.output}\n{done.exception!r}"
        made = arguments[arguments.index("--out") + 1]
        assert Path(made).exists(), line
    assert {p.name for p in tmp_path.iterdir()} == {
        arguments[arguments.index("--out") + 1].split("/")[0] for _, arguments in ran
    }


@pytest.mark.slow
@pytest.mark.shared
def test_the_headline_of_the_mean_profile_is_what_the_page_says(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "her2st").mkdir()
    rows = ["section,patient,image,counts,spots,mpp"]
    for section in ("B4", "C2", "C3", "C4", "C5"):
        (image,) = (shared / "her2st" / "ST-imgs" / section[0] / section).glob("*.jpg")
        counts = shared / "her2st" / "ST-cnts" / f"{section}.tsv.gz"
        spots = shared / "her2st" / "ST-spotfiles" / f"{section}_selection.tsv"
        rows.append(f"{section},{section[0]},{image},{counts},{spots},0.69")
    (tmp_path / "her2st" / "cohort.csv").write_text("\n".join(rows) + "\n")
    page = PROJECT / "docs" / "headline.md"
    (line, arguments), *_ = commands(page)
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, f"{line}: {done.output}"
    (fold,) = json.loads((tmp_path / "unseen-patient" / "summary.json").read_text())["folds"]
    row = f"mean profile, no image | {fold['per_spot_pearson']:.3f} | 0 |"
    assert row in page.read_text("utf-8").split("| the same:")[0]


def alternatives(arguments: list[str]) -> list[list[str]]:
    """Write out ``csv|h5ad`` and ``models | runs``, one command each; ``[--option]`` is used."""
    arguments = [a.removeprefix("[").removesuffix("]") for a in arguments]
    if "|" in arguments:
        return [[name] for name in arguments if name != "|"]
    choices = [a.split("|") if "|" in a else [a] for a in arguments]
    longest = max((len(c) for c in choices), default=0)
    return [[c[i % len(c)] for c in choices] for i in range(longest)]
