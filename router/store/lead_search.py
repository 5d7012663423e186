"""Looking for leads by a word: names and companies, among the newest leads only, as there is no index for them."""

from router.store.lead_lists import begin
from router.store.statements import Connection, load

_SQL = load("lead_search")

LOOKED_AT = 20_000
"""So many of the newest leads are looked at."""

_WILD = str.maketrans({"\\": "\\\\", "%": "\\%", "_": "\\_"})


async def newest_with(conn: Connection, tenant_id: int, word: str, limit: int) -> list[int]:
    """Numbers of leads, newest first: the word is in the name or company, or is the external id, phone or e-mail."""
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        await begin(conn)
        rows = await _SQL.newest_with.fetch(
            conn,
            tenant_id=tenant_id,
            looked_at=LOOKED_AT,
            pattern=f"%{word.translate(_WILD)}%",
            word=word,
            email=word.lower(),
            limit=limit,
        )
    return [row[0] for row in rows]
