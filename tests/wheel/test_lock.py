"""The lock names every dependency, with hashes, at one version for the app and its tests."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions

from builders.checkout import PROJECT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

NAME = re.compile(r"^([A-Za-z0-9_.\-]+)(?:\[[^]]*\])?==([^ ;\\#]+)")


def pins(file: str) -> dict[str, set[str]]:
    """Return name -> versions; a package may have one for each Python or platform."""
    found: dict[str, set[str]] = {}
    for line in (PROJECT / file).read_text("utf-8").splitlines():
        if match := NAME.match(line):
            found.setdefault(canonicalize_name(match[1]), set()).add(match[2])
    return found


def declared() -> list[Requirement]:
    """Return what pyproject.toml says that the app depends on."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["project"]
    return [Requirement(text) for text in project["dependencies"]]


def test_every_dependency_is_locked_at_a_version_that_it_allows() -> None:
    direct, locked = pins("requirements.in"), pins("requirements.txt")
    for requirement in declared():
        name = canonicalize_name(requirement.name)
        assert name in direct, f"{name} is missing in requirements.in"
        assert all(requirement.specifier.contains(v) for v in direct[name]), name
        assert locked[name] == direct[name], f"{name}: run `make lock`"


def test_the_lock_is_that_of_the_pins() -> None:
    for name in ("requirements", "requirements-dev"):
        locked = pins(f"{name}.txt")
        for package, versions in pins(f"{name}.in").items():
            assert locked[package] == versions, f"{package}: run `make lock`"


def test_app_and_tests_have_the_same_versions() -> None:
    app, tests = pins("requirements.txt"), pins("requirements-dev.txt")
    assert {name: tests[name] for name in app} == app


def test_every_package_has_hashes_and_no_registry_is_named() -> None:
    for file in ("requirements.txt", "requirements-dev.txt"):
        text = (PROJECT / file).read_text("utf-8")
        blocks = re.split(r"\n(?=[a-z0-9])", text)[1:]
        assert len(blocks) > 100
        assert all("--hash=sha256:" in block for block in blocks)
        assert "://" not in text
        assert "index-url" not in text


def test_every_imported_package_is_declared() -> None:
    """An environment that has more than the lock would hide one that is not."""
    known = {canonicalize_name(r.name) for r in declared()}
    owners = packages_distributions()
    files = [*(PROJECT / "histospace_core").rglob("*.py"), *(PROJECT / "pages").glob("*.py")]
    for file in files:
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                modules = [node.module or ""]
            else:
                continue
            for top in {module.partition(".")[0] for module in modules}:
                if top in sys.stdlib_module_names or top == "histospace_core":
                    continue
                distributions = {canonicalize_name(d) for d in owners.get(top, [top])}
                assert distributions & known, f"{file.relative_to(PROJECT)} imports {top}"
