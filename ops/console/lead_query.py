"""The filter of a list of leads, as it stands in an address."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from ops.listing.lead_filter import REASONS, LeadFilter, State
from router.domain.calendar import zone
from router.domain.worded import worded

NAMES = ("q", "state", "reason", "rep", "group", "source", "since", "until")
"""The parameters, in the order of the form."""


@dataclass(frozen=True, slots=True)
class LeadQuery:
    """What was asked for: `word` is looked for in the newest leads, without the rest of the filter; `given` is what
    is in the address, `wrong` what of it is not understood, in worded sentences.
    """

    asked: LeadFilter
    word: str
    given: Mapping[str, str]
    wrong: tuple[str, ...] = ()


@dataclass(slots=True)
class _Reading:
    given: Mapping[str, str]
    zone_name: str
    wrong: list[str] = field(default_factory=list)

    def text(self, name: str) -> str | None:
        return self.given.get(name) or None

    def one_of(self, name: str, known: tuple[str, ...]) -> str | None:
        value = self.text(name)
        if value is None or value in known:
            return value
        said = worded("{name}: {value!r} is not one of {known}", name=name, value=value[:40], known=", ".join(known))
        self.wrong.append(said)
        return None

    def time(self, name: str) -> datetime | None:
        """In UTC; without an offset it is on the clock of the page."""
        value = self.text(name)
        if value is None:
            return None
        try:
            at = datetime.fromisoformat(value)
            in_zone = at if at.tzinfo else at.replace(tzinfo=zone(self.zone_name))
            return in_zone.astimezone(UTC)
        except (ValueError, OverflowError):
            self.wrong.append(
                worded("{name}: {value!r} is not a valid time; write 2026-11-29T14:00", name=name, value=value[:40])
            )
            return None


def read_query(parameters: Mapping[str, str], zone_name: str) -> LeadQuery:
    """Of the parameters of an address; what is not of a filter is left alone."""
    given = {name: parameters[name].strip() for name in NAMES if parameters.get(name, "").strip()}
    reading = _Reading(given, zone_name)
    state = reading.one_of("state", tuple(State))
    asked = LeadFilter(
        state=None if state is None else State(state),
        reason=reading.one_of("reason", REASONS),
        rep=reading.text("rep"),
        group=reading.text("group"),
        source=reading.text("source"),
        since=reading.time("since"),
        until=reading.time("until"),
    )
    return LeadQuery(asked, given.get("q", ""), given, tuple(reading.wrong))
