"""The doctor says when a CRM does not hear of its leads, and is silent when it does."""

from datetime import timedelta

import asyncpg

from router.outbox.cursor import START
from router.outbox.feed import read_events
from router.outbox.signing import new_secret
from router.store import webhooks
from router.store.connections.connections import Connections
from tests.findings import findings
from tests.world import a_drain, lead, make_tenant, settle, simple_reps


async def test_a_webhook_that_fails_is_late_or_gave_events_up_is_found(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant = await make_tenant(conn, simple_reps(1))
    url = "https://crm.example.com/hook?key=k1"
    number = await webhooks.add(
        conn, tenant.tenant_id, url, None, new_secret(b"x" * 32), START, allow_private=False, note="", actor="ann"
    )
    now = await conn.fetchval("select clock_timestamp()")
    later = now + timedelta(minutes=10)
    assert await findings(conn, "webhook_failing", later) == await findings(conn, "events_lagging", later) == []
    await tenant.accept([lead(1)])
    await settle(a_drain(connections), tenant.tenant_id)
    assert await findings(conn, "events_lagging", now) == []
    [late] = await findings(conn, "events_lagging", later)
    assert "no process with the role duties delivers" in late.sentence and "k1" not in late.sentence
    assert late.subject.name == f"acme/{number}"
    await conn.execute("update webhook set holder = 1, held_until = now() + interval '1 h'")
    [late] = await findings(conn, "events_lagging", later)
    assert "more slowly" in late.sentence
    await conn.execute("update webhook set failures = 7, failing_since = $1, last_error = 'answered 503'", now)
    assert await findings(conn, "events_lagging", later) == await findings(conn, "webhook_failing", now) == []
    [failing] = await findings(conn, "webhook_failing", later)
    assert "7 times in a row: answered 503" in failing.sentence
    page = await read_events(conn, tenant.tenant_id, START)
    await conn.execute("update webhook set failures = 0, failing_since = null, position = $1, place = $2", *page.cursor)
    assert await findings(conn, "webhook_failing", later) == await findings(conn, "events_lagging", later) == []
    await conn.execute(
        "insert into webhook_delivery (tenant_id, webhook_no, event_no, place, position, lead_id, state, next_at)"
        " values ($1, $2, 1, 1, 1, 1, 'dead', now())",
        tenant.tenant_id,
        number,
    )
    [dead] = await findings(conn, "webhook_failing", later)
    assert "did not take 1 event" in dead.sentence
    await conn.execute("update webhook set missed_upto = 3")
    [missed] = await findings(conn, "webhook_failing", later)
    assert "missed events" in missed.sentence
    await conn.execute("delete from webhook_delivery; update webhook set missed_upto = null")
    await webhooks.switch(conn, tenant.tenant_id, number, "ann", "not now", enabled=False)
    assert await findings(conn, "webhook_failing", later) == []
    await conn.execute("update webhook set disabled_why = $1", webhooks.GONE)
    [gone] = await findings(conn, "webhook_failing", later)
    assert gone.command == f"lead-router webhooks enable {number} --tenant acme"
    await webhooks.switch(conn, tenant.tenant_id, number, "ann", "", enabled=True)
    assert await findings(conn, "webhook_failing", later) == []
