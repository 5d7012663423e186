"""A flight record as it is stored. Needs no NumPy, so that a command which only counts does not import it."""

import struct
import zlib
from datetime import UTC, datetime, timedelta

import msgspec

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Flight(msgspec.Struct, array_like=True, frozen=True):
    """A decoded record. Times are microseconds since 1970 UTC; bytes are little-endian int64 columns.

    `decided` per lead: rep number (> 0), 0 = waiting, -1 = parked. Rules and groups are -1 where there is none.
    `more` has each field that the rules asked for beyond those of the pool, with what leads said in it by their places.
    """

    engine: int
    calendar: str
    now: int
    day: tuple[str, int, int, int]
    windows: dict[int, tuple[bool, int | None]]
    lead_ids: bytes
    ranks: bytes
    queued: bytes
    customers: bytes
    wake_keys: bytes
    last_batches: bytes
    excluded: dict[int, list[int]]
    owners: dict[int, int]
    reps: bytes
    codes: bytes
    opened: bytes
    today: bytes
    groups: dict[int, tuple[bytes, bytes]]
    decided: bytes
    rules: bytes
    given_by: bytes
    rechecks: bytes
    waits_for: bytes
    targets: list[str]
    parked: dict[int, tuple[str, str]]
    actor: str = ""
    note: str = ""
    more: dict[str, dict[int, str]] = {}

    @property
    def rep_numbers(self) -> tuple[int, ...]:
        """`decided` in plain numbers."""
        return struct.unpack(f"<{len(self.decided) // 8}q", self.decided)


def micros(at: datetime) -> int:
    """Microseconds since 1970 UTC."""
    since = at - _EPOCH
    # Whole numbers all the way, and a third of the time of a division by a microsecond.
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def instant(at: int) -> datetime:
    """The inverse of `micros`, in UTC."""
    return _EPOCH + timedelta(microseconds=at)


def encode(flight: Flight) -> bytes:
    """The stored form."""
    return zlib.compress(msgspec.msgpack.encode(flight), 1)


def decode(stored: bytes) -> Flight:
    """Raises zlib.error or msgspec.DecodeError when the bytes are no record."""
    return msgspec.msgpack.decode(zlib.decompress(stored), type=Flight)
