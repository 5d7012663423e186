"""Where the pages are, and which there are."""

from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache, reduce
from pathlib import Path

from ops.runbooks.page import Page, read_page
from router.domain.worded import Worded, worded

ALERTS = "alerts"
_INDEX = "README"


class NoSuchPage(Exception):
    """Raised for a name without a page; the message names those that are like it."""


def runbooks_root() -> Path:
    """The folder `runbooks/`: inside the installed package, or at the root of a checkout."""
    packaged = Path(__file__).parents[1] / "_runbooks"
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "runbooks"


@cache
def places() -> Mapping[str, Path]:
    """The file of each page by its name: those of findings and reasons, then those of alerts."""
    root = runbooks_root()
    files = [*sorted(root.glob("*.md")), *sorted((root / ALERTS).glob("*.md"))]
    return {file.stem: file for file in files if file.stem != _INDEX}


def page_of(name: str) -> Page:
    """The page of this name, whatever the case it is written in. Raises NoSuchPage, NotInForm."""
    known = {one.casefold(): one for one in places()}
    wanted = name.strip().removesuffix(".md").rpartition("/")[2]
    found = known.get(wanted.casefold())
    if found is None:
        raise NoSuchPage(_unknown(wanted, known))
    return read_page(found, places()[found].read_text(encoding="utf-8"))


def _unknown(wanted: str, known: Mapping[str, str]) -> Worded:
    like = [known[one] for one in get_close_matches(wanted.casefold(), known, n=3)]
    like += [full for one, full in known.items() if len(wanted) > 2 and wanted.casefold() in one and full not in like]
    said = worded("there is no runbook {name}", name=wanted)
    if not like:
        return said + worded("; lead-router runbook lists all")
    meant = reduce(lambda before, name: worded("{names} or {name}", names=before, name=name), like[:5])
    return said + worded("; did you mean {names}?", names=meant)


def all_pages() -> list[Page]:
    """All pages, those of alerts last. Raises NotInForm."""
    return [page_of(name) for name in places()]
