"""What a runbook tells people to type at night, into the database or the command line, works as the page says."""

import re
import shlex

import asyncpg
import pytest

from ops.audit.audit import audit
from ops.cli.retry import retry
from ops.runbooks.library import page_of, places
from ops.runbooks.page import Language, filled
from router.store.connections.connections import Connections
from tests.command_line import CommandLine
from tests.runbooks import lint
from tests.world import a_drain, lead, make_tenant, settle, simple_reps

# PostgreSQL prepares no others.
_PREPARED = re.compile(r"(with|select|insert|update|delete)\b", re.IGNORECASE)


def statements(name: str) -> list[str]:
    """Those of a page, with the examples of its placeholders."""
    found = [one.text for one in page_of(name).commands if one.language is Language.SQL]
    return [filled(text, lint.examples()) for text in found]


async def test_every_statement_of_a_runbook_fits_the_schema(conn: asyncpg.Connection) -> None:
    refused, prepared = list[str](), 0
    for name in places():
        for statement in filter(_PREPARED.match, statements(name)):
            prepared += 1
            try:
                await conn.prepare(statement)
            except asyncpg.PostgresError as error:
                refused.append(f"{name}: {statement}: {error}")
    assert not refused, "\n".join(refused)
    assert prepared


@pytest.mark.parametrize("name", places())
def test_no_runbook_has_people_change_our_tables_by_sql(name: str) -> None:
    assert not [sql for sql in statements(name) if re.search(r"\b(insert|update|delete)\b", sql, re.IGNORECASE)]


async def test_leads_sent_back_as_the_runbook_says_get_a_rep(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    tenant = await make_tenant(conn, simple_reps(2))
    await tenant.accept([lead(1, invalid="nobody can be reached"), lead(2)])
    await conn.execute("update parked set reason = 'internal_error'")
    shown = map(shlex.split, lint.commands_of(lint.README.read_text(encoding="utf-8")))
    typed = [words[2:] for words in shown if words[1] == "retry"]
    assert len(typed) == 2
    for words in typed:
        done = await CommandLine(retry, database_url).run(*words)
        assert done.exit_code == 0, done.output
    await settle(a_drain(connections), tenant.tenant_id)
    assert {state: n for state, n in (await tenant.states()).items() if n} == {"assigned": 2}
    assert (await audit(conn, None, 10)).ok
