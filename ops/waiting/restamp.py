"""Correcting the creation times of a source's waiting and parked leads, many at a time: counting, and doing it.

Bounded parts, each its own transaction, as in retry: whatever ends it in the middle, what is done is done, and the
same command does the rest.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import perf_counter

from ops.waiting.restamp_ask import Ask
from router.domain.phrases import count
from router.domain.shift import explains, shift_words
from router.store.changes import Change, the_lead
from router.store.restamp import Part, Stamped, Standing, correct, next_stamped, repeats_of
from router.store.statements import Connection

# About 60 ms under the lane.
AT_ONCE = 1000


@dataclass
class Done:
    """What was done, or would be: leads corrected by where they are; left out since their time was corrected before, or
    since the shift does not explain it; and leads that somebody else has locked or moved. `example` is the first one.
    `repeats` are leads that are merged into corrected ones: their times and whom they repeat stay as they are.
    """

    corrected: dict[Standing, int] = field(default_factory=lambda: dict.fromkeys(Standing, 0))
    corrected_before: int = 0
    not_explained: int = 0
    locked: int = 0
    repeats: int = 0
    example: Stamped | None = None
    change: int | None = None

    @property
    def total(self) -> int:
        return sum(self.corrected.values())

    @property
    def seen(self) -> int:
        return self.total + self.corrected_before + self.not_explained + self.locked


@dataclass
class Restamp:
    """`token` gives fresh random numbers of 63 bits; `at_once` is the most leads in a transaction."""

    conn: Connection
    token: Callable[[], int]
    at_once: int = AT_ONCE

    async def run(
        self, ask: Ask, actor: str, why: str, done: Done, progress: Callable[[], None], *, dry_run: bool = False
    ) -> None:
        """Does it, adding to `done`, which is true of what is committed; `progress` after each part. `dry_run` = only
        counts.

        Raises asyncpg.LockNotAvailableError when somebody keeps the lane; what was done before stays done.
        """
        for standing in Standing:
            after = 0
            while leads := await self._next(ask, standing, after):
                after = leads[-1].lead_id
                begin = perf_counter()
                if wanted := _wanted(leads, ask, done):
                    await self._part(ask, standing, wanted, actor, why, done, dry_run=dry_run)
                progress()
                if wanted and not dry_run:
                    # Routers come as soon as the lane is free, and have it for as long as this had it.
                    await asyncio.sleep(perf_counter() - begin)

    async def _next(self, ask: Ask, standing: Standing, after: int) -> list[Stamped]:
        async with self.conn.transaction():
            return await next_stamped(
                self.conn, ask.tenant.tenant_id, standing, ask.source, ask.since, after, self.at_once
            )

    async def _part(
        self, ask: Ask, standing: Standing, leads: Sequence[Stamped], actor: str, why: str, done: Done, *, dry_run: bool
    ) -> None:
        done.example = done.example or leads[0]
        part = Part(len(leads), None)
        if not dry_run:
            part = await self._correct(ask, standing, leads, actor, why, done)
        done.repeats += await repeats_of(self.conn, ask.tenant.tenant_id, leads)
        done.corrected[standing] += part.corrected
        done.locked += len(leads) - part.corrected
        done.change = part.change

    async def _correct(
        self, ask: Ask, standing: Standing, leads: Sequence[Stamped], actor: str, why: str, done: Done
    ) -> Part:
        def change(corrected: int) -> Change:
            counts = {**done.corrected, standing: done.corrected[standing] + corrected}
            return change_of(ask, actor, why, done, counts)

        async with self.conn.transaction():
            return await correct(
                self.conn, ask.tenant.tenant_id, standing, leads, ask.shift, self.token(), change, done.change
            )


def _wanted(leads: Sequence[Stamped], ask: Ask, done: Done) -> list[Stamped]:
    """Those that are to be corrected; counts the others."""
    fresh = [lead for lead in leads if ask.again or not lead.corrected]
    wanted = [lead for lead in fresh if explains(lead.created_at, lead.received_at, ask.shift)]
    done.corrected_before += len(leads) - len(fresh)
    done.not_explained += len(fresh) - len(wanted)
    return wanted


def change_of(ask: Ask, actor: str, why: str, done: Done, counts: dict[Standing, int]) -> Change:
    """The entry of the change log, with one lead as an example."""
    assert done.example is not None
    numbers = " and ".join(f"{n:,} {standing}" for standing, n in counts.items() if n)
    was, is_now = done.example.created_at, done.example.created_at + ask.shift
    example = the_lead(done.example.lead_id)
    return Change(
        actor=actor,
        action="restamp",
        subject=f"leads of source {ask.source or '(none)'}",
        before=f"{example} created {_text(was)}",
        after=f"{example} created {_text(is_now)}; {numbers} {_leads(counts)} shifted by {shift_words(ask.shift)}",
        why=why,
    )


def _leads(counts: dict[Standing, int]) -> str:
    return count(sum(counts.values()), "lead").partition(" ")[2]


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")
