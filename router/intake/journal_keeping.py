"""Leads that come over HTTP while the database is away go to the journal, and their keys with them."""

from collections.abc import Mapping, Sequence

from router.intake.hand_in import HandedIn, KeyUsed, Outcome, Taken, Unstorable, remember_keys
from router.intake.journal import Journal, JournalKey, JournalRefused
from router.intake.journal_rows import LeadNotWritable
from router.intake.journal_table import JournalledLead, KeyOfLead
from router.intake.lead_intake import NotDurable
from router.store.statements import Connection

JOURNALLED = "journalled"
"""The state of a lead that is in the journal only: it has no number yet."""


class JournalKeeping:
    """The journal, as the intake uses it."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def keep(self, tenant_id: int, handed_in: Sequence[HandedIn]) -> list[Outcome]:
        """Writes them, with one fsync. Raises NotDurable when the journal is full, or its disk takes nothing."""
        keys = [JournalKey(one.key.text, one.key.body_hash) if one.key else None for one in handed_in]
        try:
            kept = await self._journal.take(tenant_id, [one.lead for one in handed_in], keys)
        except JournalRefused as refused:
            raise NotDurable(f"the database is away, and the journal takes nothing: {refused}") from refused
        except LeadNotWritable as error:
            if len(handed_in) == 1:
                return [Unstorable(str(error))]
            half = len(handed_in) // 2
            return [*await self.keep(tenant_id, handed_in[:half]), *await self.keep(tenant_id, handed_in[half:])]
        return [_outcome(one, found) for one, found in zip(handed_in, kept.leads, strict=True)]


def _outcome(one: HandedIn, found: JournalledLead) -> Outcome:
    if found.other_body:
        assert one.key is not None
        return KeyUsed(one.key.text)
    return Taken(None, JOURNALLED, duplicate=found.repeated)


async def keep_keys(conn: Connection, tenant_id: int, keys: Sequence[KeyOfLead], lead_ids: Mapping[int, int]) -> None:
    """Stores the keys of leads that leave the journal, in the transaction that accepts them: who sends a request again
    gets the lead's number then.
    """
    await remember_keys(conn, tenant_id, [(one.key, one.body_hash, lead_ids[one.sequence]) for one in keys])
