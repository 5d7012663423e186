"""Correcting leads that no one has worked on from a file: their facts, whose they are, and whom they repeat; recorded.

An intake that stores nothing new: the rows of the file are compared with what is stored, a transaction for each part.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import NamedTuple

from router.domain.lead_in import LeadIn
from router.domain.phrases import count
from router.intake.lead_import import Taken
from router.manual.correct_at_once import Wanted, correct_at_once
from router.rules.corrections import as_corrected, corrected_fields
from router.store.changes import Change
from router.store.corrections import StoredLead, stored
from router.store.leads import stored_leads
from router.store.statements import Connection
from router.store.synonyms import load_spellings

AT_ONCE = 200
KEPT = 100


class Named(NamedTuple):
    """A row that says something else than the stored lead: in these fields, of a lead that is there and at this rep.

    `invalid` = why nobody can work on it then.
    """

    line: int
    lead_id: int
    source: str
    external_id: str
    fields: tuple[str, ...]
    state: str
    rep_id: str | None
    invalid: str | None = None


@dataclass(slots=True)
class Corrections:
    """What was corrected, or would be, by where the leads are; `same` say what is stored already; `stays` counts, by
    where they are, those that differ and that somebody works on, or has; `locked` those that another session holds;
    `invalid` are those of the corrected ones that are parked then, since nobody can work on them; `unknown` are rows of
    leads that are not stored. `corrected_named` and `stays_named` are the first of each.
    """

    corrected: Counter[str] = field(default_factory=Counter)
    same: int = 0
    stays: Counter[str] = field(default_factory=Counter)
    locked: int = 0
    invalid: int = 0
    unknown: int = 0
    corrected_named: list[Named] = field(default_factory=list)
    stays_named: list[Named] = field(default_factory=list)
    change: int | None = None

    @property
    def total(self) -> int:
        """How many were corrected, or would be."""
        return sum(self.corrected.values())


@dataclass
class Correcting:
    """The intake that corrects; `token` gives fresh random numbers of 63 bits, `dry_run` = only compares."""

    conn: Connection
    tenant_id: int
    file: str
    actor: str
    why: str
    token: Callable[[], int]
    dry_run: bool = False
    done: Corrections = field(default_factory=Corrections)

    def prepare(self, leads: Sequence[LeadIn]) -> None:
        """Nothing."""

    async def take(self, leads: Sequence[LeadIn], prepared: object = None, lines: Sequence[int] = ()) -> Taken:
        """Corrects those that are stored and differ."""
        there = await stored_leads(self.conn, self.tenant_id, leads)
        known = await stored(self.conn, self.tenant_id, [row["lead_id"] for row in there.values()])
        words = await load_spellings(self.conn, self.tenant_id)
        wanted: dict[int, Wanted] = {}
        for place, lead in enumerate(leads):
            row = there.get(lead[:2])
            was = known.get(row["lead_id"]) if row is not None else None
            if was is None:
                self.done.unknown += 1
                continue
            # Of two rows of one lead the last one counts.
            wanted.pop(was.lead_id, None)
            says = as_corrected(lead, was.lead)
            if fields := corrected_fields(says, was.lead, words):
                wanted[was.lead_id] = Wanted(lines[place] if lines else 0, says, was, fields)
            else:
                self.done.same += 1
        await self._correct(list(wanted.values()))
        return Taken(0, len(leads), 0, 0)

    async def _correct(self, wanted: Sequence[Wanted]) -> None:
        for one in wanted:
            if not one.was.is_free:
                self.done.stays[one.was.state] += 1
                self._name(one, self.done.stays_named)
        free = [one for one in wanted if one.was.is_free]
        for part in _parts(free):
            done = {one.was.lead_id for one in part} if self.dry_run else await self._part(part)
            for one in part:
                if one.was.lead_id in done:
                    self.done.corrected[one.was.state] += 1
                    self.done.invalid += one.says.invalid is not None
                    self._name(one, self.done.corrected_named)
                else:
                    self.done.locked += 1

    async def _part(self, part: Sequence[Wanted]) -> set[int]:
        def change(corrected: int) -> Change:
            after = f"{count(self.done.total + corrected, 'lead')} corrected"
            return Change(self.actor, "leads correct", self.file, "", after, self.why)

        begin = perf_counter()
        corrected = await correct_at_once(self.conn, self.tenant_id, part, change, self.done.change, self.token())
        self.done.change = corrected.change
        # Routers come as soon as the lane is free, and have it for as long as this had it.
        await asyncio.sleep(perf_counter() - begin)
        return corrected.leads

    @staticmethod
    def _name(one: Wanted, named: list[Named]) -> None:
        if len(named) < KEPT:
            was: StoredLead = one.was
            who = (was.lead_id, was.lead.source, was.lead.external_id)
            named.append(Named(one.line, *who, one.fields, was.state, was.rep_id, one.says.invalid))


def _parts(wanted: Sequence[Wanted]) -> Iterator[Sequence[Wanted]]:
    for start in range(0, len(wanted), AT_ONCE):
        yield wanted[start : start + AT_ONCE]
