"""Every statement has one home, so that whoever looks for it finds the code that calls it by the file's name."""

import re
from pathlib import Path

import pytest

from router.store.statements import sql_root

ROOT = Path(__file__).parents[2]
READER = ROOT / "router" / "store" / "statements.py"
_LOAD = re.compile(r'\bload\("(\w+)"\)')


def _homes() -> dict[str, list[Path]]:
    """By family of statements, the modules that load it."""
    found: dict[str, list[Path]] = {}
    for folder in ("router", "ops", "loadtest"):
        for module in sorted(set((ROOT / folder).rglob("*.py")) - {READER}):
            for family in set(_LOAD.findall(module.read_text(encoding="utf-8"))):
                found.setdefault(family, []).append(module.relative_to(ROOT))
    return found


HOMES = _homes()


@pytest.mark.parametrize("family", sorted(path.stem for path in (sql_root() / "queries").glob("*.sql")))
def test_statements_are_found_under_the_name_of_the_module_that_calls_them(family: str) -> None:
    callers = [module for module in HOMES.get(family, []) if module.parts[0] != "loadtest"]
    if not callers:
        assert HOMES[family], "nobody calls these statements"
    for module in callers:
        assert family in (module.stem, *module.parts[:-1]), f"{module} calls the statements of {family}"


@pytest.mark.parametrize("package", ["router", "ops"])
def test_no_module_stands_loose_beside_the_packages(package: str) -> None:
    assert {path.name for path in (ROOT / package).glob("*.py")} == {"__init__.py"}
