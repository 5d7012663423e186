"""Reasons, and what leads wait for, so that a page can say them in another language. Pure."""

import re
from collections.abc import Callable, Mapping, Sequence

from router.domain.worded import Worded, worded

_REASONS: Mapping[str, Worded] = {
    str(one): one
    for one in (
        worded("no_matching_rule"),
        worded("group_empty"),
        worded("nobody_available"),
        worded("all_at_daily_cap"),
        worded("all_at_open_cap"),
        worded("outside_window"),
        worded("owner_unavailable"),
        worded("owner_at_cap"),
        worded("lead_invalid"),
        worded("database_busy"),
        worded("internal_error"),
        worded("paused"),
        worded("screening"),
        worded("ready"),
    )
}
# Names with " or " in them would be two things to wait for: such a phrase stays as it is.
_NAME = r"(?P<name>(?:(?! or |, other than ).)+)"
_PHRASES: Sequence[tuple[re.Pattern[str], Callable[[str], Worded]]] = (
    (re.compile("a rep in group " + _NAME), lambda name: worded("a rep in group {name}", name=name)),
    (re.compile("rep " + _NAME), lambda name: worded("rep {name}", name=name)),
    (re.compile("the customer's owner " + _NAME), lambda name: worded("the customer's owner {name}", name=name)),
    (re.compile("the window of rule " + _NAME), lambda name: worded("the window of rule {name}", name=name)),
)
_ALONE: Mapping[str, Worded] = {
    str(one): one
    for one in (worded("a rule that matches"), worded("the next batch"), worded("the tenant's first ruleset"))
}


_PAUSE = re.compile(r"the end of the pause at (?P<at>\S+ \S+ \S+)(?: \((?P<why>.*)\))?", re.DOTALL)


def worded_reason(code: str) -> str:
    """The code of a `Reason`, or READY; in another language it is in words."""
    return _REASONS.get(code, code)


def worded_wait(phrase: str) -> str:
    """What a lead waits for, as `present.in_words` says it; what is not known as it is."""
    for pattern, made in _PHRASES:
        if found := pattern.fullmatch(phrase):
            return made(found["name"])
    if found := _PAUSE.fullmatch(phrase):
        end = worded("the end of the pause at {at}", at=found["at"])
        return end + worded(" ({why})", why=found["why"]) if found["why"] else end
    return _ALONE.get(phrase, phrase)
