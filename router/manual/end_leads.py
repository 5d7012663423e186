"""Ending many assignments, row by row of a list, in parts of one transaction each: repeatable, and beside the drain.

It takes no lane: as with one ending, the next batch takes the places off the reps' loads.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from router.domain.bulk_endings import Asked, Standing, Verdict, judge
from router.domain.phrases import count, listed
from router.intake.bulk_file import PartDone, Refusal
from router.intake.ending_rows import SaidEnding
from router.intake.times import utc_words
from router.store import bulk_endings as store
from router.store.assignments import LOCK_TIMEOUT_MS
from router.store.bulk_endings import EndingToDo, LeadNamed, SeveralSources
from router.store.changes import Change, record_part
from router.store.roster import rep_numbers
from router.store.statements import Connection
from router.store.transactions import limit_transaction, retried


@dataclass(slots=True)
class EndedLeads:
    """What was done, or would be: leads that ended, by outcome; rows that were so `already`; leads that were returned
    before and are with a rep again, which stay there.
    """

    ended: Counter[str] = field(default_factory=Counter)
    already: int = 0
    returned_before: int = 0

    @property
    def total(self) -> int:
        """How many ended, or would."""
        return sum(self.ended.values())


class _Look(NamedTuple):
    """What is known of the leads and reps that the rows of a part name, side by side with the rows or by number; `held`
    are the assignments that are locked for us, `begins` as `history_begins`.
    """

    found: Sequence[int | SeveralSources | None]
    standings: Mapping[int, Standing]
    held: Collection[int]
    reps: Mapping[str, int]
    begins: datetime | None


@dataclass(slots=True)
class _Judged:
    """What is to be done, by lead with the place of its row; and the other rows."""

    todo: dict[int, tuple[int, EndingToDo]] = field(default_factory=dict)
    refused: list[Refusal] = field(default_factory=list)
    locked: list[int] = field(default_factory=list)
    already: int = 0
    returned_before: int = 0


@dataclass
class EndLeads:
    """The work of a run over a list named `subject`; `dry_run` = nothing is changed."""

    conn: Connection
    tenant_id: int
    subject: str
    actor: str
    why: str = ""
    dry_run: bool = False
    done: EndedLeads = field(default_factory=EndedLeads)
    _change: int | None = None
    _seen: dict[int, tuple[int, str]] = field(default_factory=dict)
    """What rows before said of leads that they ended: line and outcome."""

    async def take(self, rows: Sequence[SaidEnding], lines: Sequence[int]) -> PartDone:
        """One part: all of it or, when it raises, nothing."""
        judged, self._change = await _part(self.conn, self, rows, lines)
        for lead_id, (place, ending) in judged.todo.items():
            self.done.ended[ending.outcome] += 1
            self._seen[lead_id] = (lines[place], ending.outcome)
        self.done.already += judged.already
        self.done.returned_before += judged.returned_before
        return PartDone(judged.refused, judged.locked)

    async def part(self, rows: Sequence[SaidEnding], lines: Sequence[int]) -> tuple[_Judged, int | None]:
        """In a transaction of the caller's; returns the number of the change, too."""
        await limit_transaction(self.conn, LOCK_TIMEOUT_MS)
        now = await store.begin(self.conn, self.tenant_id)
        judged = self._judge(rows, lines, await self._look(rows))
        if self.dry_run or not judged.todo:
            return judged, self._change
        endings = [ending for _, ending in judged.todo.values()]
        ended = await store.end_many(self.conn, self.tenant_id, endings, self.actor, now)
        after = f"{count(self.done.total + ended, 'assignment')} ended"
        change = Change(self.actor, "leads end", self.subject, "", after, self.why)
        return judged, await record_part(self.conn, self.tenant_id, change, self._change)

    async def _look(self, rows: Sequence[SaidEnding]) -> _Look:
        conn, tenant_id = self.conn, self.tenant_id
        named = [LeadNamed(row.lead_id, row.source, row.external_id) for row in rows]
        found = await store.find_leads(conn, tenant_id, named)
        leads = {one for one in found if isinstance(one, int)}
        held = leads if self.dry_run else await store.hold(conn, tenant_id, leads)
        standings = await store.standings(conn, tenant_id, leads)
        reps = await rep_numbers(conn, tenant_id, [row.rep_id for row in rows if row.rep_id])
        begins = await store.history_begins(conn) if any(row.ended_at for row in rows) else None
        return _Look(found, standings, held, reps, begins)

    def _judge(self, rows: Sequence[SaidEnding], lines: Sequence[int], look: _Look) -> _Judged:
        judged = _Judged()
        for place, (row, lead) in enumerate(zip(rows, look.found, strict=True)):
            if (wrong := _wrong(place, row, lead, look)) is not None:
                judged.refused.append(wrong)
                continue
            assert isinstance(lead, int)
            said = self._said_before(judged, lines, lead)
            if said is None:
                self._judge_lead(judged, place, row, lead, look)
            elif said[1] == row.outcome:
                judged.already += 1
            else:
                judged.refused.append(Refusal(place, "outcome", f"line {said[0]} says that it ended as {said[1]}"))
        return judged

    def _judge_lead(self, judged: _Judged, place: int, row: SaidEnding, lead: int, look: _Look) -> None:
        asked = Asked(row.outcome, look.reps[row.rep_id] if row.rep_id else None, row.ended_at)
        verdict = judge(asked, look.standings[lead])
        if verdict is Verdict.END and lead in look.held:
            judged.todo[lead] = (place, EndingToDo(lead, row.outcome, row.ended_at, row.reason or self.why))
        elif verdict is Verdict.END:
            judged.locked.append(place)
        elif verdict is Verdict.ALREADY:
            judged.already += 1
        elif verdict is Verdict.RETURNED_BEFORE:
            judged.returned_before += 1
        else:
            judged.refused.append(_refusal(place, verdict, row, look.standings[lead]))

    def _said_before(self, judged: _Judged, lines: Sequence[int], lead: int) -> tuple[int, str] | None:
        """What an earlier row of this run did with the lead, line and outcome. Only another run ends it once more."""
        if lead in judged.todo:
            place, ending = judged.todo[lead]
            return lines[place], ending.outcome
        return self._seen.get(lead)


def _wrong(place: int, row: SaidEnding, lead: int | SeveralSources | None, look: _Look) -> Refusal | None:
    """What makes the row one that can be done with no lead."""
    if not isinstance(lead, int):
        return Refusal(place, "lead_id" if row.lead_id else "external_id", _unknown(lead))
    if row.rep_id and row.rep_id not in look.reps:
        return Refusal(place, "rep_id", f"there is no rep {row.rep_id!r}")
    if row.ended_at and look.begins and row.ended_at < look.begins:
        return Refusal(place, "ended_at", f"is before {look.begins.date()}: what ended then is past the retention")
    return None


@retried
async def _part(
    conn: Connection, work: EndLeads, rows: Sequence[SaidEnding], lines: Sequence[int]
) -> tuple[_Judged, int | None]:
    async with conn.transaction():
        return await work.part(rows, lines)


def _unknown(found: int | SeveralSources | None) -> str:
    if isinstance(found, SeveralSources):
        return f"{len(found.sources)} sources have a lead of this id ({listed(found.sources)}); give a column source"
    return "there is no such lead"


def _refusal(place: int, verdict: Verdict, row: SaidEnding, standing: Standing) -> Refusal:
    if verdict is Verdict.OTHER_OUTCOME:
        return Refusal(place, "outcome", f"the lead is closed already, as {standing.outcome or 'a duplicate'}")
    if verdict is Verdict.OTHER_REP:
        return Refusal(place, "rep_id", f"the lead is not with rep {row.rep_id} now, but with another one")
    if verdict is Verdict.BEFORE_ASSIGNED and standing.assigned_at is not None:
        return Refusal(place, "ended_at", f"is before assigned_at {utc_words(standing.assigned_at)}")
    where = "in no state; run lead-router audit" if standing.state == "nowhere" else standing.state
    return Refusal(place, "", f"the lead is {where}, not assigned; there is nothing to end")
