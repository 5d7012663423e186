"""The tenants' tables of synonyms: which words are one source, region or industry."""

from collections.abc import Sequence
from dataclasses import dataclass

from router.rules.spelling import Spellings, Synonym, plain, spellings
from router.store.statements import Connection, load
from router.store.transactions import retried

_SQL = load("synonyms")


class SourcesHaveLeads(ValueError):
    """Leads have these sources already; under another name they would come in again with the next import."""

    def __init__(self, sources: Sequence[str]) -> None:
        super().__init__(sources)
        self.sources = sources


@dataclass(frozen=True, slots=True)
class SynonymChange:
    """How many words were added or are spelled otherwise now, and how many removed."""

    changed: int
    removed: int


async def load_synonyms(conn: Connection, tenant_id: int) -> list[Synonym]:
    """All of them, by field and spelling."""
    return [
        Synonym(row["field"], row["word"], row["spelling"]) for row in await _SQL.table.fetch(conn, tenant_id=tenant_id)
    ]


async def load_spellings(conn: Connection, tenant_id: int) -> Spellings:
    """The tenant's table as every door of intake uses it."""
    return spellings(await load_synonyms(conn, tenant_id))


@retried
async def import_synonyms(
    conn: Connection, tenant_id: int, table: Sequence[Synonym], author: str, *, replace: bool, renames_sources: bool
) -> SynonymChange:
    """Adds the synonyms to the tenant's, or puts them in their place (`replace`), in one transaction.

    Raises SynonymError where the whole would contradict itself, and SourcesHaveLeads where leads are stored
    under a source that would be spelled otherwise, unless `renames_sources`.
    """
    async with conn.transaction():
        await _SQL.lock.row(conn, tenant_id=tenant_id)
        old = await load_synonyms(conn, tenant_id)
        spellings(table)
        named = {(one.field, plain(one.word)): one.spelling for one in table}
        kept = {} if replace else {one[:2]: one.spelling for one in old}
        whole = [Synonym(*key, spelling) for key, spelling in (kept | named).items()]
        before, after = spellings(old), spellings(whole)
        if not renames_sources:
            await _check_sources(conn, tenant_id, before, after)
        gone = [one for one in old if one[:2] not in kept | named]
        await _SQL.remove.execute(
            conn, tenant_id=tenant_id, fields=[g.field for g in gone], words=[g.word for g in gone]
        )
        changed = await _SQL.put.execute(
            conn,
            tenant_id=tenant_id,
            fields=[field for field, _ in named],
            words=[word for _, word in named],
            spellings=list(named.values()),
            author=author,
        )
    return SynonymChange(changed, len(gone))


async def _check_sources(conn: Connection, tenant_id: int, before: Spellings, after: Spellings) -> None:
    words = {word for field, word in [*before.words, *after.words] if field == "source"}
    moved = {before.spelled("source", word) for word in words if _differ(word, before, after)}
    rows = await _SQL.sources_with_leads.fetch(conn, tenant_id=tenant_id, sources=sorted(moved))
    if rows:
        raise SourcesHaveLeads([row["source"] for row in rows])


def _differ(source: str, before: Spellings, after: Spellings) -> bool:
    return before.spelled("source", source) != after.spelled("source", source)
