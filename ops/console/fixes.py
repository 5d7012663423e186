"""What a command of a finding does, and where in the console it can be done, or its subject be looked at. Pure."""

import shlex
from collections.abc import Collection
from urllib.parse import quote

from ops.text.translation import N_, Say

_SET = ("reps", "set")
# What comes after `lead-router`, the option that says what it is for, and what it does.
_DOES: tuple[tuple[tuple[str, ...], str | None, str], ...] = (
    (_SET, "--groups", N_("puts rep {rep} into group {value}")),
    (_SET, "--available", N_("says whether rep {rep} is available: {value}")),
    (("blockers",), "--terminate", N_("ends that session; what it did is rolled back, and its locks are gone")),
    (("blockers",), None, N_("shows who has what locked")),
    (("reps", "list"), None, N_("shows the reps, and who is on duty")),
    (("changes",), None, N_("shows what was changed, and by whom")),
    (("serve",), None, N_("starts a router")),
    (("up",), None, N_("starts a router")),
    (("rules", "show"), None, N_("shows the rules in force")),
    (("retry",), None, N_("sends such leads back, to be decided again")),
)

# The words after `lead-router`, and the page; REP means any word. The first that fits counts.
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
    words = _words(command)
    for pattern, page in _PAGES:
        found = _fits(words, pattern)
        if found is not None and page in pages:
            return page.format(rep=quote(found, safe=""))
    return None


def what_it_does(command: str | None, say: Say) -> str:
    """In a few words, for somebody who has never typed it; empty where there are none."""
    words = _words(command)
    for begin, option, message in _DOES:
        if tuple(words[: len(begin)]) == begin and (option is None or option in words[:-1]):
            value = "" if option is None else words[words.index(option) + 1]
            return say.gettext(message).format(rep=words[len(begin)] if len(words) > len(begin) else "", value=value)
    return ""


def _words(command: str | None) -> list[str]:
    """Those after `lead-router`; none where it is another command, or cannot be read."""
    try:
        words = shlex.split(command or "")
    except ValueError:
        return []
    return words[1:] if words[:1] == ["lead-router"] else []


def _fits(words: list[str], pattern: tuple[str, ...]) -> str | None:
    """The word in the place of REP (empty where the pattern has none); None = it does not fit."""
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
