"""Whether the database's clock, by which everything is decided, can be believed: docs/decisions/0022-whose-clock.md.

The clock of the router's own host decides nothing; it bears witness, as do those of other routers' hosts and the steady
run of time since the two agreed last.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from router.domain.phrases import duration

JUMP = timedelta(minutes=1)
"""Clocks that differ by more do not agree."""

_SMALL = timedelta(minutes=10)
_SMALL_LASTS_S = 120.0
_SLOW_S = 10.0


class ClockDisputed(Exception):
    """The database's clock and this host's differ, and nothing says which is right: nothing is decided by either."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Two clocks at one time (aware), and a monotonic one in seconds; it took `took_s` seconds to read them."""

    database: datetime
    host: datetime
    monotonic_s: float
    took_s: float = 0.0

    @property
    def ahead(self) -> timedelta:
        """By how much the host's clock is ahead of the database's."""
        return self.host - self.database

    def goes_on_from(self, earlier: "Reading") -> bool:
        """Whether the database's clock has run since as time does."""
        ran = (self.database - earlier.database).total_seconds()
        return abs(ran - (self.monotonic_s - earlier.monotonic_s)) <= JUMP.total_seconds()


@dataclass(slots=True)
class ClockWatch:
    """What one process knows of the two clocks. Until it has read them nothing is wrong.

    The database's is believed when the host's agrees, or another host's does (`confirmed`), or it has run steadily
    since it was believed last: then it is the host's that moved. A small difference that stays is believed after two
    minutes, and at once where nobody has seen a jump: hours and days that are off by minutes do less harm than leads
    that stand still.
    """

    last: Reading | None = None
    _told: datetime | None = None
    _believed: Reading | None = None
    _disputed_from: Reading | None = None

    def read(self, reading: Reading, *, confirmed: bool = False) -> None:
        """Takes a reading; one that took too long says nothing."""
        if reading.took_s > _SLOW_S:
            return
        self.last = reading
        known, since = self._believed, self._disputed_from
        agrees = abs(reading.ahead) <= JUMP or confirmed or (known is not None and reading.goes_on_from(known))
        # Nobody has seen it jump.
        agrees = agrees or (known is None and since is None and abs(reading.ahead) <= _SMALL)
        if since is not None and reading.goes_on_from(since):
            stays = reading.monotonic_s - since.monotonic_s >= _SMALL_LASTS_S
            agrees = agrees or (stays and abs(reading.ahead) <= _SMALL)
        else:
            since = None
        self._believed, self._disputed_from = (reading, None) if agrees else (known, since or reading)

    def hear(self, until: datetime | None) -> None:
        """Somebody has said, until then, that the database's clock is right. It is believed once, in a dispute that it
        may be about: what was known before the dispute began is not.
        """
        if until is None or self.last is None or (self._told is not None and until <= self._told):
            return
        if self.disputed and confirmed(self.last.database, until):
            self.read(self.last, confirmed=True)
        if not self.disputed:
            self._told = until

    @property
    def disputed(self) -> bool:
        """Whether nothing says which clock is right."""
        return self._disputed_from is not None

    @property
    def ahead_s(self) -> float | None:
        """By how many seconds the host's clock is ahead; None = not known yet."""
        return None if self.last is None else self.last.ahead.total_seconds()

    @property
    def problem(self) -> str | None:
        """What is wrong, in words; None = the clocks agree."""
        if self.last is None or abs(self.last.ahead) <= JUMP:
            return None
        both = f"the clock of this host is {ahead_words(self.last.ahead)} the database's"
        if not self.disputed:
            return f"{both}; leads are routed by the database's"
        return f"{both}, and nothing says which is right: no lead is routed until they agree"


def ahead_words(ahead: timedelta) -> str:
    """`2 h 0 min ahead of`, `40 d 0 h behind`: to be followed by what it is compared with."""
    return f"{duration(abs(ahead.total_seconds()))} {'behind' if ahead < timedelta(0) else 'ahead of'}"


def confirmed(clock: datetime, until: datetime) -> bool:
    """Whether somebody has said lately that the database's `clock` is right."""
    return timedelta(0) <= until - clock <= CONFIRMED_FOR


CONFIRMED_FOR = timedelta(days=1)
"""For so long it holds what somebody said: until then the other clock can be put right."""


def arrival_time(database: datetime, host: datetime, *, believed: bool) -> datetime | None:
    """When a lead came, where the clocks differ and nobody knows which is right: by the later one; None = by the
    database's, as always. A lead that seems too young loses minutes, one that seems too old is parked for its age.
    """
    return host if not believed and host - database > JUMP else None
