"""Webhooks: every event reaches every endpoint, in order per lead, at least once, with one id, whatever fails."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import asyncpg
import pytest
from standardwebhooks.webhooks import Webhook

from router.outbox.attempts import Answer
from router.outbox.cursor import START
from router.outbox.endpoint import Endpoint
from router.outbox.feed import RuleNames, read_events
from router.outbox.signing import new_secret
from router.outbox.webhooks_service import WebhooksService
from router.runtime.lifeline import Lifeline, MonotonicClock
from router.settings.model import WebhookSettings
from router.store import webhooks as store
from router.store.assignments import Ending, end
from router.store.connections.connections import Connections
from router.store.events import remove_old
from router.store.webhooks import Redelivery
from router.telemetry.instruments import Instruments
from tests.sink import Sink, a_sink
from tests.support import DEADLINE_S, until
from tests.world import Tenancy, a_drain, lead, make_tenant, settle, simple_reps

SECRET = new_secret(random.Random(7).randbytes(32))
FAST = WebhookSettings(poll_interval_s=0.02, lease_s=2.0, timeout_s=1.0, concurrency=8)


@asynccontextmanager
async def delivering(connections: Connections, settings: WebhookSettings = FAST, me: int = 1) -> AsyncIterator[None]:
    """The service, as in a daemon."""
    service = WebhooksService(connections, settings, Instruments.silent(), me, random.random)
    stop = asyncio.Event()
    task = asyncio.create_task(service.run(Lifeline(stop, MonotonicClock(), lambda _: None)))
    try:
        yield
    finally:
        stop.set()
        async with asyncio.timeout(60):
            await task


async def a_webhook(
    tenant: Tenancy, sink: Sink, types: Sequence[str] | None = None, *, allow_private: bool = True
) -> int:
    return await store.add(
        tenant.conn,
        tenant.tenant_id,
        sink.url,
        types,
        SECRET,
        START,
        allow_private=allow_private,
        note="",
        actor="ann",
    )


async def assigned(conn: asyncpg.Connection, connections: Connections, leads: int) -> tuple[Tenancy, Sequence[int]]:
    """A tenant with so many assigned leads."""
    tenant = await make_tenant(conn, simple_reps(3))
    numbers = (await tenant.accept([lead(number) for number in range(leads)])).lead_ids
    await settle(a_drain(connections), tenant.tenant_id)
    return tenant, numbers


async def state(tenant: Tenancy, number: int) -> store.Webhook:
    return await store.webhook_numbered(tenant.conn, tenant.tenant_id, number)


async def settled(tenant: Tenancy, number: int, seconds: float = DEADLINE_S) -> store.Webhook:
    """Until the endpoint has all there is, and this is written down."""

    async def all_is_there() -> bool:
        return (await state(tenant, number)).behind_since is None

    await until(all_is_there, "the webhook has got all", seconds)
    return await state(tenant, number)


async def test_every_event_arrives_once_signed_in_order_and_as_the_feed_says_it(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant, leads = await assigned(conn, connections, 1200)
    for number in leads[:50]:
        await end(conn, tenant.tenant_id, number, Ending.WON)
    async with a_sink() as sink:
        number = await a_webhook(tenant, sink)
        async with delivering(connections):
            found = await settled(tenant, number)
        assert (found.delivered, found.failures, found.waiting, found.dead) == (1250, 0, 0, 0)
        page = await read_events(conn, tenant.tenant_id, START, limit=5000)
        assert sorted(sink.ids) == sorted(one.id for one in page.events)
        assert sink.of_lead(leads[3]) == ["lead.assigned", "lead.ended"]
        by_id = {one.id: one for one in page.events}
        for body, headers, raw in sink.got[::100]:
            assert body == by_id[body["id"]].body()
            assert Webhook(SECRET).verify(raw, headers)
            assert headers["webhook-id"] == body["id"]
        assert 2 <= sink.most_at_once <= FAST.concurrency
    assert not (await state(tenant, number)).held


async def test_an_endpoint_gets_the_types_that_it_asked_for(conn: asyncpg.Connection, connections: Connections) -> None:
    tenant, leads = await assigned(conn, connections, 3)
    await end(conn, tenant.tenant_id, leads[0], Ending.LOST)
    async with a_sink() as sink:
        number = await a_webhook(tenant, sink, ["lead.ended"])
        async with delivering(connections):
            await settled(tenant, number)
        assert [body["type"] for body, _, _ in sink.got] == ["lead.ended"]


async def test_one_dead_endpoint_slows_no_other(conn: asyncpg.Connection, connections: Connections) -> None:
    tenant, _ = await assigned(conn, connections, 300)
    async with a_sink() as sink, a_sink(delay_s=30.0) as hanging:
        good = await a_webhook(tenant, sink)
        dead = await a_webhook(tenant, hanging)
        async with delivering(connections):
            await settled(tenant, good)

            async def known_as_failing() -> bool:
                return (await state(tenant, dead)).failing_since is not None

            await until(known_as_failing, "the dead endpoint is known as failing")
        found = await state(tenant, dead)
    assert len(sink.got) == 300 and not hanging.got
    assert found.delivered == 0 and found.behind_since is not None and "no answer in time" in (found.last_error or "")


async def test_an_event_that_is_refused_waits_with_those_of_its_lead_and_nobody_else_does(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant, leads = await assigned(conn, connections, 20)
    for number in leads:
        await end(conn, tenant.tenant_id, number, Ending.WON)
    refused = leads[4]
    async with a_sink(answer=lambda body: 422 if body["data"]["lead_id"] == refused else 204) as sink:
        number = await a_webhook(tenant, sink)
        async with delivering(connections):

            async def others_are_there() -> bool:
                found = await state(tenant, number)
                return (found.delivered, found.waiting) == (38, 2)

            await until(others_are_there, "all others are delivered")
            assert sink.of_lead(refused) == []
            assert "answered 422" in (await state(tenant, number)).last_error  # type: ignore[operator]
            sink.answer = lambda _: 204
            await conn.execute("update webhook_delivery set next_at = now()")
        # Another process goes on from what is written down.
        async with delivering(connections, me=2):
            await settled(tenant, number)
        assert sink.of_lead(refused) == ["lead.assigned", "lead.ended"]
        assert len(sink.ids) == len(set(sink.ids)) == 40


async def test_however_many_leads_an_endpoint_refuses_all_others_go_on_and_later_all_come_in_order(
    conn: asyncpg.Connection, connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("router.outbox.reader.MOST_IN_HAND", 20)
    tenant, leads = await assigned(conn, connections, 300)
    for number in leads:
        await end(conn, tenant.tenant_id, number, Ending.WON)
    async with a_sink(answer=lambda body: 422 if body["data"]["lead_id"] % 3 == 0 else 204) as sink:
        number = await a_webhook(tenant, sink)

        async def others_are_there() -> bool:
            found = await state(tenant, number)
            return (found.delivered, found.waiting) == (400, 200)

        async with delivering(connections):
            await until(others_are_there, "all others are delivered")
        # Another process has more to load than there is room for.
        async with delivering(connections, me=2):
            sink.answer = lambda _: 204
            await conn.execute("update webhook_delivery set next_at = now() where isfinite(next_at)")
            found = await settled(tenant, number)
        assert (found.waiting, found.dead) == (0, 0)
        assert all(sink.of_lead(one) == ["lead.assigned", "lead.ended"] for one in leads)
        assert len(sink.ids) == len(set(sink.ids)) == 600


async def test_an_endpoint_that_was_down_gets_all_once_it_is_back(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant, leads = await assigned(conn, connections, 100)
    async with a_sink(answer=lambda _: 500) as sink:
        number = await a_webhook(tenant, sink)
        async with delivering(connections):

            async def is_down() -> bool:
                return (await state(tenant, number)).failures >= 5

            await until(is_down, "the endpoint is known to be down")
            sink.answer = lambda _: 200
            for one in leads[:30]:
                await end(conn, tenant.tenant_id, one, Ending.WON)
            found = await settled(tenant, number)
        assert len(set(sink.ids)) == 130 and found.failing_since is None and found.dead == 0
        assert all(sink.of_lead(one) == ["lead.assigned", "lead.ended"] for one in leads[:30])


async def test_an_event_that_found_no_connection_loses_no_attempt_and_comes_soon_after_the_endpoint_is_back(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant, leads = await assigned(conn, connections, 1)
    async with a_sink() as sink:
        number = await a_webhook(tenant, sink)
    port = urlsplit(sink.url).port or 0
    async with delivering(connections):

        async def waits() -> bool:
            return (await state(tenant, number)).waiting == 1

        async def refused_twice() -> bool:
            return (await state(tenant, number)).failures == 2

        await until(waits, "the event waits for another attempt")
        await until(refused_twice, "a second attempt was refused", 30)
        assert await conn.fetchval("select attempts from webhook_delivery") == 0
        async with a_sink(port) as back:
            # It would wait for five minutes if it were its second attempt.
            found = await settled(tenant, number, 60)
            assert back.of_lead(leads[0]) == ["lead.assigned"] and found.dead == 0


async def test_who_goes_back_in_the_feed_gets_each_leads_events_in_their_order(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant, leads = await assigned(conn, connections, 5)
    for one in leads:
        await end(conn, tenant.tenant_id, one, Ending.WON)
    async with a_sink(answer=lambda body: 503 if body["type"] == "lead.ended" else 200) as sink:
        number = await a_webhook(tenant, sink)
        async with delivering(connections):

            async def put_off() -> bool:
                waiting = "select count(*) from webhook_delivery where state = 'waiting'"
                return int(await conn.fetchval(waiting)) == len(leads)

            await until(put_off, "the endings are put off")
            await store.switch(conn, tenant.tenant_id, number, "ann", "", enabled=True, after=(0, 0))
            sink.got.clear()
            sink.answer = lambda _: 200
            await settled(tenant, number)
        for one in leads:
            types = [body["type"] for body, _, _ in sink.got if body["data"]["lead_id"] == one]
            assert types.index("lead.assigned") < types.index("lead.ended"), types


async def test_an_endpoint_that_is_gone_is_disabled_and_can_be_enabled_again(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant, _ = await assigned(conn, connections, 10)
    async with a_sink(answer=lambda _: 410) as sink:
        number = await a_webhook(tenant, sink)
        async with delivering(connections):

            async def is_disabled() -> bool:
                return not (await state(tenant, number)).enabled

            await until(is_disabled, "the endpoint is disabled")
            found = await state(tenant, number)
            assert found.fails and "410" in (found.disabled_why or "")
            sink.answer = lambda _: 200
            await store.switch(conn, tenant.tenant_id, number, "ann", "moved back", enabled=True)
            await settled(tenant, number)
        assert len(set(sink.ids)) == 10
    actions = await conn.fetch("select actor, before, after from change where action = 'webhook' order by at")
    assert [tuple(row) for row in actions] == [("lead-router", "enabled", "disabled"), ("ann", "disabled", "enabled")]


async def test_a_private_address_is_refused_unless_the_webhook_or_the_settings_allow_it(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant, _ = await assigned(conn, connections, 3)
    async with a_sink() as sink:
        number = await a_webhook(tenant, sink, allow_private=False)
        by_name = await store.add(
            conn,
            tenant.tenant_id,
            sink.url.replace("127.0.0.1", "localhost"),
            None,
            SECRET,
            START,
            allow_private=False,
            note="",
            actor="ann",
        )
        async with delivering(connections):
            for one in (number, by_name):

                async def is_refused(one: int = one) -> bool:
                    return "not a public address" in ((await state(tenant, one)).last_error or "")

                await until(is_refused, "the address is refused")
        assert not sink.got
        await conn.execute("update webhook_delivery set next_at = now()")
        async with delivering(connections, WebhookSettings(poll_interval_s=0.02, private_addresses="allowed")):
            await settled(tenant, number)
        assert len(set(sink.ids)) == 3


async def test_a_new_secret_signs_beside_the_old_one_until_that_ends(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant, leads = await assigned(conn, connections, 3)
    new = new_secret(random.Random(8).randbytes(32))
    async with a_sink() as sink:
        number = await a_webhook(tenant, sink)
        async with delivering(connections):
            await settled(tenant, number)
            await store.rotate(conn, tenant.tenant_id, number, new, timedelta(hours=1), "ann", "")
            await end(conn, tenant.tenant_id, leads[0], Ending.WON)
            await settled(tenant, number)
            await store.rotate(conn, tenant.tenant_id, number, new, timedelta(0), "ann", "")
            await end(conn, tenant.tenant_id, leads[1], Ending.WON)
            await settled(tenant, number)
        *_, both, last = sink.got
        for secret in (SECRET, new):
            Webhook(secret).verify(both[2], both[1])
        Webhook(new).verify(last[2], last[1])
        assert len(last[1]["webhook-signature"].split(" ")) == 1
    assert SECRET not in str(await conn.fetch("select * from change"))


async def test_what_was_given_up_is_kept_and_delivered_again_when_a_person_says_so(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant, leads = await assigned(conn, connections, 5)
    poison = leads[2]
    async with a_sink(answer=lambda body: 400 if body["data"]["lead_id"] == poison else 204) as sink:
        number = await a_webhook(tenant, sink)
        async with delivering(connections):

            async def is_put_off() -> bool:
                return (await state(tenant, number)).waiting == 1

            await until(is_put_off, "the event is put off")
        await conn.execute("update webhook_delivery set attempts = 9, next_at = now()")
        async with delivering(connections, me=2):

            async def is_dead() -> bool:
                return (await state(tenant, number)).dead == 1

            await until(is_dead, "the event is given up")
            await settled(tenant, number)
            [row] = await store.dead_of(conn, tenant.tenant_id, number, 10)
            assert (row["lead_id"], row["attempts"], row["error"]) == (poison, 10, "answered 400")
            sink.answer = lambda _: 204
            assert await store.deliver_again(conn, tenant.tenant_id, number, None, "ann", "fixed") == Redelivery(1)
            await settled(tenant, number)
            assert sink.of_lead(poison) == ["lead.assigned"]
            page = await read_events(conn, tenant.tenant_id, START)
            keys = [one.key for one in page.events[:2]]
            found = await store.deliver_again(conn, tenant.tenant_id, number, [*keys, (10**6, 1)], "ann", "lost there")
            assert found == Redelivery(2, unknown=1)
            await settled(tenant, number)

            async def came_again() -> bool:
                return len(sink.ids) == 7

            await until(came_again, "both came again")
    assert sink.ids.count(page.events[0].id) == sink.ids.count(page.events[1].id) == 2


async def test_dead_events_leave_with_the_retention_and_the_webhook_says_that_it_missed_them(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant, leads = await assigned(conn, connections, 3)
    async with a_sink(answer=lambda body: 400 if body["data"]["lead_id"] == leads[0] else 204) as sink:
        number = await a_webhook(tenant, sink)
        async with delivering(connections):

            async def is_put_off() -> bool:
                return (await state(tenant, number)).waiting == 1

            await until(is_put_off, "the event is put off")
    await conn.execute("update webhook_delivery set state = 'dead'")
    assert await store.remove_dead(conn, tenant.tenant_id, 10) == 0
    [key] = [(row["event_no"], row["place"]) for row in await store.dead_of(conn, tenant.tenant_id, number, 10)]
    await remove_old(conn, tenant.tenant_id, datetime.now(UTC) + timedelta(days=1), 100)
    for again in (None, [key]):
        found = await store.deliver_again(conn, tenant.tenant_id, number, again, "ann", "")
        assert found == Redelivery(0, gone=1)
    assert await store.remove_dead(conn, tenant.tenant_id, 10) == 1
    found_webhook = await state(tenant, number)
    assert (found_webhook.dead, found_webhook.waiting, found_webhook.missed_upto) == (0, 0, 1)


async def test_a_run_that_ends_since_a_person_changed_the_webhook_leaves_no_attempt_behind(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant, _ = await assigned(conn, connections, 100)
    async with a_sink() as sink:
        number = await a_webhook(tenant, sink)
    [working] = await store.take_working(conn, 1, 60.0)
    sent = 0

    async def send(*_: object) -> Answer:
        nonlocal sent
        await asyncio.sleep(0.05)
        sent += 1
        return Answer()

    instruments = Instruments.silent()
    endpoint = Endpoint(working, 1, connections, send, RuleNames(), instruments, random.random, 2)
    running = asyncio.create_task(endpoint.run())

    async def has_begun() -> bool:
        return sent > 0

    await until(has_begun, "the run delivers")
    await store.rotate(conn, tenant.tenant_id, number, SECRET, timedelta(hours=1), "ann", "")
    async with asyncio.timeout(60):
        await running
    assert not endpoint._attempts
    assert sent < 100


async def test_two_processes_deliver_no_event_twice_and_one_takes_over_from_the_other(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant, leads = await assigned(conn, connections, 200)
    async with a_sink() as sink:
        number = await a_webhook(tenant, sink)
        async with delivering(connections, me=2):
            async with delivering(connections, me=1):
                await settled(tenant, number)
            for one in leads[:20]:
                await end(conn, tenant.tenant_id, one, Ending.WON)
            await settled(tenant, number)
        assert len(sink.ids) == len(set(sink.ids)) == 220


async def test_events_that_were_removed_before_an_endpoint_got_them_are_reported(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant, leads = await assigned(conn, connections, 5)
    await end(conn, tenant.tenant_id, leads[0], Ending.WON)
    await read_events(conn, tenant.tenant_id, START)
    await conn.execute("delete from event where position = 1; update event_feed set removed_upto = 1")
    async with a_sink() as sink:
        number = await a_webhook(tenant, sink)
        async with delivering(connections):
            await settled(tenant, number)
        assert [body["type"] for body, _, _ in sink.got] == ["lead.ended"]
    assert (await state(tenant, number)).missed_upto == 1


@pytest.mark.parametrize("after", ["3", "120"])
async def test_the_rest_that_an_endpoint_asks_for_is_given(
    conn: asyncpg.Connection, connections: Connections, after: str
) -> None:
    tenant, _ = await assigned(conn, connections, 1)
    asked: list[float] = []

    def busy(_: object) -> int:
        asked.append(time.monotonic())
        return 429 if len(asked) == 1 else 204

    async with a_sink(answer=busy, headers={"retry-after": after}) as sink:
        number = await a_webhook(tenant, sink)
        async with delivering(connections):
            if after == "3":
                await settled(tenant, number)
                assert asked[1] - asked[0] >= 3
            else:

                async def is_written_down() -> bool:
                    return (await state(tenant, number)).waiting == 1

                await until(is_written_down, "the event is put off")
                assert len(asked) == 1
