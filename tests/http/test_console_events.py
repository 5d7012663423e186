"""Events and endpoints in the console: how each fares, dead letters delivered again, pause and resume, by who may."""

import csv
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass

import asyncpg
import pytest

from ops.console.number_bars import bars
from ops.console.webhook_words import error_words, level_of
from ops.text.translation import ENGLISH
from router.domain.access import MAY, Permission, TokenRole
from router.store import webhooks as store
from router.store.connections.connections import Connections
from tests.http.console import Page, Served, serving_console
from tests.http.support import Api, make_token, serving_api
from tests.postgres.test_webhooks import a_webhook, assigned, delivering, settled
from tests.sink import Sink, a_sink
from tests.support import until
from tests.world import Tenancy, make_tenant, simple_reps

READERS = [role for role in TokenRole if Permission.READ in MAY[role]]


@dataclass
class World:
    """A tenant with 120 assigned leads, an endpoint that takes all but one of their events, and the console."""

    served: Served
    acme: Tenancy
    sink: Sink
    number: int
    dead: str
    connections: Connections

    async def token(self, role: TokenRole = TokenRole.OPERATOR) -> str:
        rep = "r001" if role is TokenRole.REP else None
        return await make_token(self.acme.conn, self.acme.tenant_id, role, rep_id=rep)

    @property
    def page(self) -> str:
        return f"/events/endpoints/{self.number}"

    async def state(self) -> store.Webhook:
        return await store.webhook_numbered(self.acme.conn, self.acme.tenant_id, self.number)


@pytest.fixture
async def world(connections: Connections, conn: asyncpg.Connection) -> AsyncIterator[World]:
    acme, leads = await assigned(conn, connections, 120)
    async with a_sink() as sink:
        number = await a_webhook(acme, sink)
        sink.answer = lambda body: 500 if body["data"]["lead_id"] == leads[7] else 204
        async with delivering(connections):

            async def all_but_one() -> bool:
                return len(set(sink.ids)) == 119 and bool(await conn.fetchval("select count(*) from webhook_delivery"))

            await until(all_but_one, "all others are delivered")
        await conn.execute("update webhook_delivery set state = 'dead', attempts = 10")
        [row] = await store.dead_of(conn, acme.tenant_id, number, 10)
        sink.answer = lambda _: 204
        async with serving_console(connections) as served:
            yield World(served, acme, sink, number, f"evt_{row['event_no']}_{row['place']}", connections)


def cells(page: Page) -> list[str]:
    return [tag.text for tag in page.all("td")]


async def test_the_endpoints_say_how_they_fare_in_plain_words(world: World) -> None:
    async with world.served.browser(await world.token()) as browser:
        page = await browser.get("/events")
        assert "1 dead letter." in page.words and "/hook" in page.words and "key=k1" not in page.text
        assert "Something needs a look" in page.words and "Events are delivered" not in page.words
        assert "it answered 500: it is in trouble itself" in page.words
        one = await browser.get(world.page)
        assert world.dead in one.words and "10" in cells(one)
        assert "in trouble itself" in one.words and "Deliver all dead letters again" in one.words
        [row] = csv.DictReader(io.StringIO((await browser.get("/events/endpoints.csv")).text.removeprefix("\ufeff")))
        assert (row["dead"], row["last_error"]) == ("1", "answered 500")
        [letter] = csv.DictReader(
            io.StringIO((await browser.get(f"{world.page}/dead.csv")).text.removeprefix("\ufeff"))
        )
        assert letter["id"] == world.dead


async def test_a_dead_letter_is_looked_at_and_delivered_again_with_its_count_and_reason(world: World) -> None:
    async with world.served.browser(await world.token()) as browser:
        letter = await browser.get(f"/events/{world.dead}?webhook={world.number}")
        [body] = letter.all("pre")
        assert '"type": "lead.assigned"' in body.text and world.dead in body.text
        form = await browser.get(next(one for one in letter.links if "redeliver" in one))
        assert "1 event" in form.words and world.dead in form.words
        assert (await browser.send(form, f"{world.page}/redeliver", why=" ")).status == 422
        done = await browser.send(form, f"{world.page}/redeliver", why="the CRM is back")
        assert "1 event is delivered again." in done.text
        async with delivering(world.connections):
            await settled(world.acme, world.number)
        assert world.dead in world.sink.ids
        page = await browser.get(world.page)
        assert "None: no event was given up." in page.words
        changes = await browser.get("/changes")
        assert "the CRM is back" in changes.words and "webhook redeliver" in changes.words


async def test_all_dead_letters_are_counted_and_delivered_again_and_then_there_is_none(world: World) -> None:
    async with world.served.browser(await world.token()) as browser:
        form = await browser.get(f"{world.page}/redeliver")
        assert "1 dead letter" in form.words
        done = await browser.send(form, f"{world.page}/redeliver", why="the CRM is back")
        assert done.status == 200
        again = await browser.send(form, f"{world.page}/redeliver", why="twice")
        assert (again.status, "no dead letter" in again.words) == (409, True)
        assert "no dead letter" in (await browser.get(f"{world.page}/redeliver")).words


async def test_an_endpoint_is_paused_and_resumed_with_a_reason_and_shows_what_it_has_not_got(world: World) -> None:
    async with world.served.browser(await world.token()) as browser:
        page = await browser.get(world.page)
        paused = await browser.send(page, f"{world.page}/pause", why="maintenance of the CRM")
        assert "paused" in paused.words and "maintenance of the CRM" in paused.words
        assert not (await world.state()).enabled
        await world.acme.conn.execute("update webhook set position = 1, place = 20")
        await world.acme.conn.execute("update event set at = at - interval '10 minutes'")
        late = await browser.get(world.page)
        assert "100 events" in late.words and "5 to 30 min ago" in late.words and late.all("rect")
        assert "100" in (await browser.get(f"{world.page}/undelivered.csv")).text
        resumed = await browser.send(late, f"{world.page}/resume", why="done")
        assert "maintenance" not in resumed.words and (await world.state()).enabled
        assert "maintenance of the CRM" in (await browser.get("/changes")).words


@pytest.mark.parametrize("role", READERS)
async def test_who_may_not_operate_sees_events_and_no_endpoint(world: World, role: TokenRole) -> None:
    may = Permission.OPERATE in MAY[role]
    async with world.served.browser(await world.token(role)) as browser:
        page = await browser.get("/events")
        assert page.status == 200 and ("/hook" in page.words) is may and "Newest events" in page.words
        assert (await browser.get(f"/events/{world.dead}")).status == 200
        for path in (world.page, "/events/endpoints.csv", f"{world.page}/dead.csv", f"{world.page}/redeliver"):
            assert ((await browser.get(path)).status == 403) is not may, path
        [token] = {one.attributes["value"] for one in page.all("input", name="form_token")}
        sent = await browser.post(f"{world.page}/pause", {"form_token": token, "why": "x"})
        assert (sent.status == 403) is not may
    assert (await world.state()).enabled is not may


async def test_newest_events_are_paged_back_to_the_first_without_a_gap_or_a_repeat(world: World) -> None:
    async with world.served.browser(await world.token(TokenRole.VIEWER)) as browser:
        seen: list[str] = []
        path: str | None = "/events"
        while path:
            page = await browser.get(path)
            seen += [tag.text for tag in page.all("a") if tag.attributes.get("href", "").startswith("/events/evt_")]
            path = next((one for one in page.links if "before=" in one and not one.startswith("/events.csv")), None)
            path = path if page.all("a", rel="next") else None
        assert len(seen) == len(set(seen)) == 120
        assert seen == sorted(seen, key=lambda one: [int(part) for part in one.split("-")], reverse=True)
        rows = list(csv.DictReader(io.StringIO((await browser.get("/events.csv")).text.removeprefix("\ufeff"))))
        assert [row["cursor"] for row in rows] == seen
        assert (await browser.get("/events?before=x")).status == 422
        assert (await browser.get("/events/evt_1_9999")).status == 404
        assert (await browser.get(f"/events/evt_{'9' * 18}_1")).status == 404
        assert (await browser.get("/events/nothing")).status == 404


async def test_another_tenant_s_events_and_endpoints_are_not_there(world: World) -> None:
    other = await make_tenant(world.acme.conn, simple_reps(1), name="elsewhere")
    stranger = await make_token(other.conn, other.tenant_id)
    async with world.served.browser(stranger) as browser:
        for path in (f"/events/{world.dead}", world.page, f"{world.page}/redeliver", f"{world.page}/undelivered.csv"):
            assert (await browser.get(path)).status == 404, path
        page = await browser.get("/events")
        assert "There is no event." in page.words and "There is no endpoint" in page.words


async def test_the_last_events_over_the_api_are_those_of_the_feed_backwards(world: World) -> None:
    async with serving_api(world.connections) as api:
        api.token = await world.token()
        feed = [one["id"] for one in (await api.get("/v1/events?after=0")).document["events"]]
        for limit in (1, 7, 119, 120, 121):
            assert await _backwards(api, limit) == feed[::-1], limit
        one = (await api.get(f"/v1/events/{world.dead}")).document
        assert one["id"] == world.dead
        assert (await api.get("/v1/events:latest?before=0-0")).document == {"events": [], "next": None}
        assert (await api.get("/v1/events:latest?before=x")).pointers == ["?before"]
        shown = (await api.get(f"/v1/event-webhooks/{world.number}")).document
        assert (sum(age["events"] for age in shown["undelivered"]), shown["all_counted"]) == (0, True)


async def _backwards(api: Api, limit: int) -> list[str]:
    found, following = [], ""
    while True:
        page = (await api.get(f"/v1/events:latest?limit={limit}{following}")).document
        found += [one["id"] for one in page["events"]]
        if page["next"] is None:
            return found
        following = f"&before={page['next']}"


def test_errors_of_deliveries_are_said_in_plain_words() -> None:
    assert error_words("answered 410", ENGLISH) == "it answered 410: it says that it is gone for good"
    assert error_words("answered 302, and redirects are not followed", ENGLISH).startswith(
        "it answered 302: it redirects"
    )
    assert error_words("no answer in time", ENGLISH) == "it did not answer in time"
    assert error_words("ClientConnectorError: Cannot connect to host x", ENGLISH) == "it cannot be reached"
    assert error_words("something new", ENGLISH) == "something new"
    assert [
        level_of(states, dead) for states, dead in ((["open"], 0), (["failing"], 0), ([], 1), (["delivering"], 0))
    ] == [
        "wrong",
        "look",
        "look",
        "fine",
    ]


def test_a_bar_is_seen_however_small_it_is_and_nothing_has_none() -> None:
    drawn = bars([("a", 1_000_000), ("b", 1), ("c", 0)]).bars
    assert drawn[0].width > 100 > drawn[1].width > 0 == drawn[2].width
    assert bars([("a", 0)]).bars[0].width == 0
