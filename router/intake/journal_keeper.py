"""The journal as intake over HTTP uses it: what became of each lead, and its Idempotency-Key once it is drained."""

from collections.abc import Mapping, Sequence

import msgspec

from router.intake.hand_in import ROUTE, HandedIn, KeyUsed, Outcome, Taken, Unstorable
from router.intake.journal import FoundInJournal, Journal, JournalKey, JournalRefused
from router.intake.journal_rows import LeadNotWritable
from router.intake.journal_table import KeyOfLead
from router.intake.lead_intake import NotDurable
from router.store.idempotency import NewKey, put_keys
from router.store.statements import Connection

STATE = "journalled"
_NOT_NOW = "the lead cannot be stored now, and the journal takes none"


class JournalKeeper:
    """Keeps leads that were handed in while PostgreSQL is away."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def keep(self, tenant_id: int, handed_in: Sequence[HandedIn]) -> list[Outcome | NotDurable]:
        """What became of each; those that are `journalled` are on the disk. NotDurable = it took no more."""
        try:
            known = await self._known(tenant_id, handed_in)
        except JournalRefused as refused:
            return _refused(refused, len(handed_in))
        fresh = [one for one in handed_in if id(one) not in known]
        taken = await self._take(tenant_id, fresh) if fresh else []
        outcomes = {**known, **{id(one): outcome for one, outcome in zip(fresh, taken, strict=True)}}
        return [outcomes[id(one)] for one in handed_in]

    async def answered(self, tenant_id: int, handed_in: Sequence[HandedIn]) -> dict[int, Outcome]:
        """Those whose key came with a lead that waits in the journal, by the identity of what was handed in: the
        database does not know these keys yet. Nothing is looked up while none waits.
        """
        if not self._journal.waiting:
            return {}
        try:
            return await self._known(tenant_id, handed_in)
        except JournalRefused:
            return {}

    async def find(self, tenant_id: int, source: str, external_id: str) -> FoundInJournal | None:
        """A lead that the journal of this process holds. None also when the journal cannot be read."""
        try:
            return await self._journal.find_lead(tenant_id, source, external_id)
        except JournalRefused:
            return None

    async def _known(self, tenant_id: int, handed_in: Sequence[HandedIn]) -> dict[int, Outcome]:
        """Those whose key came before, by the identity of what was handed in."""
        known: dict[int, Outcome] = {}
        for one in handed_in:
            held = await self._journal.find_key(tenant_id, one.key.text) if one.key else None
            if held is not None and one.key is not None:
                same = held.body_hash == one.key.body_hash
                known[id(one)] = Taken(None, STATE, replayed=True) if same else KeyUsed(one.key.text)
        return known

    async def _take(self, tenant_id: int, handed_in: Sequence[HandedIn]) -> list[Outcome | NotDurable]:
        """A lead that cannot be written is found by halving."""
        keys = [JournalKey(*one.key) if one.key else None for one in handed_in]
        try:
            found = await self._journal.take(tenant_id, [one.lead for one in handed_in], keys)
        except JournalRefused as refused:
            return _refused(refused, len(handed_in))
        except LeadNotWritable as error:
            if len(handed_in) == 1:
                return [Unstorable(str(error))]
            half = len(handed_in) // 2
            first = await self._take(tenant_id, handed_in[:half])
            return first + await self._take(tenant_id, handed_in[half:])
        return [
            KeyUsed(one.key.text if one.key else "") if lead.other_body else Taken(None, STATE, lead.repeated)
            for one, lead in zip(handed_in, found.leads, strict=True)
        ]


def _refused(why: JournalRefused, leads: int) -> list[Outcome | NotDurable]:
    error = NotDurable(f"{_NOT_NOW}: {why}")
    error.__cause__ = why
    return [error] * leads


async def keep_keys(conn: Connection, tenant_id: int, keys: Sequence[KeyOfLead], lead_ids: Mapping[int, int]) -> None:
    """Stores keys with the leads that are drained: a repeat is answered as before, and with the lead's number."""
    first: dict[str, KeyOfLead] = {}
    for one in keys:
        first.setdefault(one.key, one)
    new = [_new_key(one, lead_ids[one.sequence]) for one in first.values()]
    # One that is stored already, from before the outage, stays.
    await put_keys(conn, tenant_id, ROUTE, new)


def _new_key(one: KeyOfLead, lead_id: int) -> NewKey:
    return NewKey(one.key, one.body_hash, lead_id, msgspec.json.encode(Taken(lead_id, STATE)))
