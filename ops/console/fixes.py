"""Where in the console a command of a finding can be done, or its subject be looked at. Pure."""

import shlex
from collections.abc import Collection
from urllib.parse import quote

# The words after `lead-router`, and the page; REP stands for whatever word is there. The first that fits counts.
_PAGES: tuple[tuple[tuple[str, ...], str], ...] = (
    (("reps", "set", "REP", "--available"), "/reps/{rep}"),
    (("reps", "show", "REP"), "/reps/{rep}"),
    (("reps", "list"), "/groups"),
    (("retry",), "/waiting/retry"),
    (("blockers",), "/blockers"),
    (("rules", "show"), "/rules"),
    (("webhooks",), "/events"),
    (("connections",), "/blockers"),
)
_LONE = frozenset({"--available"})


def page_for(command: str | None, pages: Collection[str]) -> str | None:
    """The address of the page, if it is one of `pages` (addresses as routes have them); None = there is none."""
    try:
        words = shlex.split(command or "")
    except ValueError:
        return None
    if words[:1] != ["lead-router"]:
        return None
    for pattern, page in _PAGES:
        found = _fits(words[1:], pattern)
        if found is not None and page in pages:
            return page.format(rep=quote(found, safe=""))
    return None


def _fits(words: list[str], pattern: tuple[str, ...]) -> str | None:
    """What stands in the place of REP (empty where the pattern has none); None = it does not fit."""
    rep = ""
    for place, word in enumerate(pattern):
        if word in _LONE:
            if word not in words:
                return None
        elif len(words) <= place or (word != "REP" and words[place] != word):
            return None
        elif word == "REP":
            rep = words[place]
    return rep
