"""What a command of a finding does, and where in the console it can be done, or its subject be looked at. Pure."""

import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote

from ops.text.translation import N_, Say

_SET = ("reps", "set")


class Effect(StrEnum):
    """What a command changes: `fixes` the cause, helps `for_now` while the cause stays, or only `shows` more."""

    FIXES = "fixes"
    FOR_NOW = "for_now"
    SHOWS = "shows"


EFFECTS: Mapping[str, str] = {
    Effect.FIXES: N_("fixes the cause"),
    Effect.FOR_NOW: N_("helps for now; the cause stays"),
    Effect.SHOWS: N_("changes nothing"),
}


@dataclass(frozen=True, slots=True)
class Advice:
    """What a command does, in a few words; its effect; and what remains to be done, where it is not all."""

    does: str
    effect: Effect
    remains: str = ""


_AGAIN = N_("It can be started again: tell its owner. Jobs that clean can ask for a turn (maintenance run).")
_ONE_REP = N_("It is about this one rep: what the roster or its source says of the others stays. Correct it there.")
_LOG = N_("If a router ran before, its log says why it ended.")

# What comes after `lead-router`, and the option that says what it is for, None = whatever there is. The first that fits
# counts.
_DOES: Sequence[tuple[tuple[str, ...], str | None, Advice]] = (
    (_SET, "--groups", Advice(N_("puts rep {rep} into group {value}"), Effect.FOR_NOW, _ONE_REP)),
    (_SET, "--available", Advice(N_("says whether rep {rep} is available: {value}"), Effect.FOR_NOW, _ONE_REP)),
    (
        ("blockers",),
        "--terminate",
        Advice(N_("ends that session; what it did is rolled back, and its locks are gone"), Effect.FOR_NOW, _AGAIN),
    ),
    (("blockers",), None, Advice(N_("shows who has what locked"), Effect.SHOWS)),
    (("connections", "end"), "--dry-run", Advice(N_("shows which idle sessions would be ended"), Effect.SHOWS)),
    (
        ("connections", "end"),
        None,
        Advice(
            N_("ends idle sessions of another application"),
            Effect.FOR_NOW,
            N_("That application opens them again: give it fewer, or the server more."),
        ),
    ),
    (("connections",), None, Advice(N_("shows who has the connections"), Effect.SHOWS)),
    (("reps", "list"), None, Advice(N_("shows the reps, and who is on duty"), Effect.SHOWS)),
    (("reps", "show"), None, Advice(N_("shows the reps, and who is on duty"), Effect.SHOWS)),
    (("reps", "sync"), "--dry-run", Advice(N_("shows what the sync would change, or why it fails"), Effect.SHOWS)),
    (("changes",), None, Advice(N_("shows what was changed, and by whom"), Effect.SHOWS)),
    (("serve",), None, Advice(N_("starts a router"), Effect.FIXES, _LOG)),
    (("up",), None, Advice(N_("starts a router"), Effect.FIXES, _LOG)),
    (("rules", "show"), None, Advice(N_("shows the rules in force"), Effect.SHOWS)),
    (("rules", "list"), None, Advice(N_("shows the versions of the rules"), Effect.SHOWS)),
    (
        ("retry",),
        None,
        Advice(
            N_("sends such leads back, to be decided again"),
            Effect.FOR_NOW,
            N_("They come back unless what they were parked for is corrected first."),
        ),
    ),
    (("resume",), None, Advice(N_("ends the pause: leads are routed at once"), Effect.FIXES)),
    (("migrate",), None, Advice(N_("brings the tables of the database up to date"), Effect.FIXES)),
    (
        ("cleanup",),
        None,
        Advice(
            N_("removes old rows now"),
            Effect.FOR_NOW,
            N_("With the setting cleanup.service: on it is done every night."),
        ),
    ),
    (("journal", "drain"), None, Advice(N_("stores the leads of the journal"), Effect.FIXES)),
    (("journal", "list"), None, Advice(N_("shows what is in the journal"), Effect.SHOWS)),
    (
        ("webhooks", "enable"),
        None,
        Advice(
            N_("delivers to that address again"),
            Effect.FOR_NOW,
            N_("It is switched off again if the receiver still says that it is gone."),
        ),
    ),
    (("webhooks", "test"), None, Advice(N_("sends a test, and shows what is answered"), Effect.SHOWS)),
    (("webhooks",), None, Advice(N_("shows the webhooks and what they miss"), Effect.SHOWS)),
    (("notify", "test"), None, Advice(N_("sends a test, and shows what is answered"), Effect.SHOWS)),
    (("lane", "reset-clock"), "--dry-run", Advice(N_("shows what setting the clock back would change"), Effect.SHOWS)),
    (("maintenance", "list"), None, Advice(N_("shows the turns of scripts that clean"), Effect.SHOWS)),
    (("audit",), None, Advice(N_("checks all leads, and shows what does not add up"), Effect.SHOWS)),
    (("why",), None, Advice(N_("explains what was decided about that lead"), Effect.SHOWS)),
    (("status",), None, Advice(N_("shows where all leads are, and what they wait for"), Effect.SHOWS)),
    (("doctor",), None, Advice(N_("looks at this one thing alone"), Effect.SHOWS)),
    (("runbook",), None, Advice(N_("shows what to do, step by step"), Effect.SHOWS)),
    (("tenants", "list"), None, Advice(N_("shows the tenants with their time zones"), Effect.SHOWS)),
    (("sources", "list"), None, Advice(N_("shows the sources with their settings"), Effect.SHOWS)),
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


def advice(command: str | None, say: Say) -> Advice | None:
    """In the language of the page, for somebody who has never typed it; None where there is none."""
    words = _words(command)
    for begin, option, found in _DOES:
        if tuple(words[: len(begin)]) != begin or (option is not None and option not in words):
            continue
        value = _value(words, option)
        if "{value}" in found.does and not value:
            continue
        rep = words[len(begin)] if len(words) > len(begin) else ""
        remains = say.gettext(found.remains) if found.remains else ""
        return Advice(say.gettext(found.does).format(rep=rep, value=value), found.effect, remains)
    return None


def what_it_does(command: str | None, say: Say) -> str:
    """In a few words; empty where there are none."""
    found = advice(command, say)
    return "" if found is None else found.does


def _value(words: list[str], option: str | None) -> str:
    return words[words.index(option) + 1] if option is not None and option in words[:-1] else ""


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
