"""A draft of rules, as the form has it that it lives in: no check, replay or refusal changes a character of it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from router.domain.calendar import business_day, zone

MAX_FORM = 2_000_000
"""A form with a draft, in bytes: a Chinese character takes nine of them."""
STARTER = """rules:
  - name: everyone
    match: {}
    assign_to: group:all
"""


@dataclass(frozen=True, slots=True)
class Draft:
    """`text` is the YAML, its lines ending in line feeds; `base` the version in force when it was begun (0 = none).
    `since` and `until` bound the replay, as the form has them; `job` is the last replay, made of a draft with the hash
    `replayed`.
    """

    text: str
    base: int = 0
    since: str = ""
    until: str = ""
    job: str = ""
    replayed: str = ""

    @property
    def hash(self) -> str:
        """What tells it from other drafts."""
        return sha256(self.text.encode("utf-8", "surrogatepass")).hexdigest()[:16]

    @property
    def changed_since_replay(self) -> bool:
        """Whether the last replay was of other words."""
        return bool(self.job) and self.replayed != self.hash

    def with_replay(self, job: str) -> "Draft":
        """After a replay of it was started."""
        return replace(self, job=job, replayed=self.hash)


def with_line_feeds(text: str) -> str:
    """Browsers send carriage returns, whatever a text had."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def draft_of(form: Mapping[str, str], now: datetime, zone_name: str) -> Draft:
    """What a form holds; of what it does not say the replay is one of yesterday."""
    since, until = yesterday(now, zone_name)
    base = form.get("base", "")
    return Draft(
        with_line_feeds(form.get("draft", "")),
        int(base) if base.isascii() and base.isdecimal() and len(base) < 10 else 0,
        form.get("since", since),
        form.get("until", until),
        form.get("job", ""),
        form.get("replayed", ""),
    )


def to_apply(draft: str, in_force: str | None) -> str:
    """The text to apply: where it has the words of the version in force it is that text, whatever ends its lines."""
    return in_force if in_force is not None and with_line_feeds(in_force) == draft else draft


def yesterday(now: datetime, zone_name: str) -> tuple[str, str]:
    """The business day before this one, from its beginning to its end, as a form has times."""
    today = business_day(now, zone_name)
    before = business_day(today.start - timedelta(seconds=1), zone_name)
    return _written(before.start, zone_name), _written(today.start, zone_name)


def _written(at: datetime, zone_name: str) -> str:
    return f"{at.astimezone(zone(zone_name)):%Y-%m-%dT%H:%M}"


def moment_in(text: str, zone_name: str) -> datetime | None:
    """A time of a form, in UTC; without an offset it is on the clock of the zone. Raises ValueError."""
    if not text.strip():
        return None
    try:
        at = datetime.fromisoformat(text.strip())
        return (at if at.tzinfo else at.replace(tzinfo=zone(zone_name))).astimezone(UTC)
    except OverflowError as error:
        raise ValueError(str(error)) from error
