"""A batch of leads: stored in commits of a thousand, one of which is under way while the next leads are read."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from router.domain.lead_in import LeadIn
from router.intake.batch_lines import Line
from router.intake.hand_in import HandedIn, Outcome, Taken, Unstorable
from router.intake.json_lead import FieldError
from router.intake.lead_intake import LeadIntake
from router.telemetry.intake_instruments import IntakeResult, IntakeRoute
from router.telemetry.spans import LEADS, inner_span

COMMIT_LEADS = 1_000
NAMED = 1_000
"""Refused leads, and leads that differ, that are named one by one."""


class NamedLead(NamedTuple):
    """A lead of the batch: its line, and what it is called."""

    line: int
    source: str
    external_id: str


@dataclass(slots=True)
class BatchCounts:
    """What became of the leads so far: `lines` = `stored` + `refused` + those that are not decided.

    `duplicates`, `merged` and `parked` are parts of `stored`, `differing` of `duplicates`. `errors` and `differences`
    name the first of them; `taken` names all, where that is asked for.
    """

    lines: int = 0
    stored: int = 0
    duplicates: int = 0
    differing: int = 0
    merged: int = 0
    parked: int = 0
    refused: int = 0
    errors: list[tuple[int, FieldError]] = field(default_factory=list)
    differences: list[tuple[NamedLead, Taken]] = field(default_factory=list)
    taken: list[tuple[NamedLead, Taken]] = field(default_factory=list)


class BatchIntake:
    """One batch of a tenant. `keep_all`: name all leads in the counts, not only what is wrong."""

    def __init__(self, intake: LeadIntake, tenant_id: int, *, keep_all: bool = False) -> None:
        self.counts = BatchCounts()
        self._intake = intake
        self._tenant_id = tenant_id
        self._keep_all = keep_all
        self._waiting: list[tuple[int, LeadIn]] = []
        self._commit: asyncio.Task[None] | None = None
        self._named = 0

    async def add(self, lines: Sequence[Line]) -> None:
        """Takes these, too. Raises NotDurable: what is counted as stored is stored."""
        refused = 0
        for line in lines:
            self.counts.lines += 1
            if line.lead is not None:
                self._waiting.append((line.number, line.lead))
            else:
                refused += 1
                self._refuse(line.number, line.errors)
        if refused:
            self._intake.instruments.leads(IntakeRoute.BATCH, IntakeResult.REFUSED, refused)
        while len(self._waiting) >= COMMIT_LEADS:
            await self._begin_commit()

    async def finish(self) -> None:
        """Stores what is left. Raises NotDurable."""
        if self._waiting:
            await self._begin_commit()
        await self.settle()

    async def settle(self) -> None:
        """Waits for the commit under way; begins none. Raises NotDurable."""
        commit, self._commit = self._commit, None
        if commit is not None:
            await commit

    async def _begin_commit(self) -> None:
        await self.settle()
        part, self._waiting = self._waiting[:COMMIT_LEADS], self._waiting[COMMIT_LEADS:]
        self._commit = asyncio.create_task(self._store(part), name="commit of a batch")

    async def _store(self, part: list[tuple[int, LeadIn]]) -> None:
        handed_in = [HandedIn(lead) for _, lead in part]
        with inner_span("intake commit", {LEADS: len(part)}):
            outcomes = await self._intake.take(self._tenant_id, handed_in, IntakeRoute.BATCH)
        not_stored: Exception | None = None
        for (number, lead), outcome in zip(part, outcomes, strict=True):
            if isinstance(outcome, Exception):
                not_stored = not_stored or outcome
            else:
                self._count(number, lead, outcome)
        if not_stored is not None:
            raise not_stored

    def _count(self, number: int, lead: LeadIn, outcome: Outcome) -> None:
        counts = self.counts
        if not isinstance(outcome, Taken):
            reason = outcome.reason if isinstance(outcome, Unstorable) else "its key was used for another request"
            self._refuse(number, (FieldError((), reason),))
            return
        counts.stored += 1
        counts.duplicates += outcome.duplicate
        counts.merged += outcome.state == "merged" and not outcome.duplicate
        counts.parked += outcome.state == "parked" and not outcome.duplicate
        if outcome.differing:
            counts.differing += 1
            if len(counts.differences) < NAMED:
                counts.differences.append((NamedLead(number, *lead[:2]), outcome))
        if self._keep_all:
            counts.taken.append((NamedLead(number, *lead[:2]), outcome))

    def _refuse(self, number: int, errors: Sequence[FieldError]) -> None:
        self.counts.refused += 1
        if self._named < NAMED:
            self._named += 1
            self.counts.errors += [(number, error) for error in errors]
