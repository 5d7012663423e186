"""How long leads take that are looked at a share of each batch at a time: sent back ones, those of former rules."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from router.domain.phrases import duration
from router.drain.request import BatchRequest
from router.store.statements import Connection
from router.store.waiting import recent_batches

_LOOKED_BACK = timedelta(hours=1)
_BATCHES_LIMIT = 50
# A longer time between two batches was a pause in the work, not a batch.
_LONGEST_BATCH = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Expected:
    """What it takes to look at `leads` leads: from the `fewest` batches, when no new leads come, to the `most`.

    `batch_s` = seconds that a busy batch took in the last hour; None = there was none.
    """

    leads: int
    fewest: int
    most: int
    batch_s: float | None

    @property
    def seconds(self) -> tuple[float, float] | None:
        """The same in seconds."""
        return None if self.batch_s is None else (self.fewest * self.batch_s, self.most * self.batch_s)

    @property
    def words(self) -> str:
        """For people."""
        batches = f"{self.fewest:,}" if self.fewest == self.most else f"{self.fewest:,} to {self.most:,}"
        text = f"{batches} batch{'' if self.most == 1 else 'es'}"
        if self.seconds is None:
            return f"{text} (no recent batch to estimate the time from)"
        first, last = ("less than 1 s" if seconds < 1 else duration(seconds) for seconds in self.seconds)
        return f"{text}, {last if first == last else f'{first} to {last}'}"

    def document(self) -> dict[str, object]:
        """For machines."""
        first, last = self.seconds or (None, None)
        return {
            "leads": self.leads,
            "batches": [self.fewest, self.most],
            "seconds": None if first is None or last is None else [round(first, 2), round(last, 2)],
        }


async def expected(conn: Connection, tenant_id: int, leads: int, sizes: BatchRequest, now: datetime) -> Expected:
    """Judges by the tenant's batches before `now`; `sizes` are those of the routers."""
    return expectation(leads, sizes, await recent_batches(conn, tenant_id, now - _LOOKED_BACK, _BATCHES_LIMIT))


def expectation(leads: int, sizes: BatchRequest, batches: Sequence[tuple[datetime, int]]) -> Expected:
    """`batches` are (time, leads) of the last ones, the youngest first."""
    share = sizes.waiting(ready_claimed=1)
    # From a full batch to the next one there was no idle time between them.
    gaps = [
        newer - older
        for (newer, _), (older, decided) in pairwise(batches)
        if decided >= share and newer - older <= _LONGEST_BATCH
    ]
    batch_s = _median(gap.total_seconds() for gap in gaps) if gaps else None
    return Expected(leads, -(-leads // sizes.waiting(ready_claimed=0)), -(-leads // share), batch_s)


def _median(values: Iterable[float]) -> float:
    from statistics import median  # noqa: PLC0415 - few tenants need it, and reading it takes 4 ms

    return median(values)
