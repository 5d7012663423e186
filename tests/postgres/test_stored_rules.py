"""Long stored rules are read in a thread: while that takes seconds the process and its connections live on."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import suppress
from time import monotonic
from typing import Any

import asyncpg
import pytest

from router.domain.ruleset import Ruleset
from router.domain.worded import Worded, said_by
from router.rules.file import RulesError, read_rules
from router.rules.stored import as_written
from router.runtime.connections_watch import ConnectionsService
from router.runtime.health import Health
from router.store import apart, rules_apply, stored_rules
from router.store.apart import LONG_TEXT, MANY_RULES
from router.store.connections.connections import Connections, Part
from router.store.engines import Engines
from router.store.errors import NoConnection
from router.store.rules_apply import Given, apply_checked
from router.store.rulesets import (
    Applied,
    RulesBusy,
    RulesMoved,
    RulesUnknown,
    apply,
    compare,
    history,
    keeping,
    load_ruleset,
    source_of,
)
from router.store.server_settings import ServerSettings
from router.store.statements import Connection
from router.store.tenants import tenant_named
from router.telemetry.instruments import Instruments
from tests.http.support import make_token, serving_api
from tests.support import until
from tests.world import CATCH_ALL, Tenancy, make_tenant, simple_reps

LONG = "rules:\n" + "".join(
    f"  - {{name: rule {number} of the long ones, match: {{product: p{number}}}, assign_to: 'group:all'}}\n"
    for number in range(MANY_RULES * 2)
)


@pytest.fixture
async def acme(conn: asyncpg.Connection) -> Tenancy:
    assert len(LONG) > LONG_TEXT
    return await make_tenant(conn, simple_reps(1), LONG)


@pytest.fixture
def nothing_read_before() -> Iterator[None]:
    stored_rules._readings.clear()
    yield
    stored_rules._readings.clear()


class Slow:
    """Reading that goes on until it may end; in which threads it was begun."""

    def __init__(self) -> None:
        self.may_end = threading.Event()
        self.began: list[str] = []

    def __call__(self, row: Mapping[str, Any]) -> Ruleset:
        self.began.append(threading.current_thread().name)
        assert self.may_end.wait(60)
        return as_written(row)


@pytest.fixture
async def slow(monkeypatch: pytest.MonkeyPatch, nothing_read_before: None) -> AsyncIterator[Slow]:
    made = Slow()
    monkeypatch.setattr(stored_rules, "as_written", made)
    yield made
    made.may_end.set()


@pytest.mark.direct
async def test_while_it_is_read_others_are_answered_and_the_session_is_not_taken_for_a_dead_one(
    acme: Tenancy, connections: Connections, slow: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apart, "_SIGN_OF_LIFE_S", 0.05)
    monkeypatch.setattr("router.runtime.connections_watch._LONG_S", 0.0)
    monkeypatch.setitem(ConnectionsService.__init__.__globals__["_SILENT_S"], Part.DRAIN, 5.0)

    async def record(_conn: Connection, _seen: ServerSettings) -> None:
        pass

    watch = ConnectionsService(connections, "a", Health(monotonic), Instruments.silent(), record)
    await watch._look()

    async def read() -> list[Any]:
        async with connections.acquire(Part.DRAIN) as lent, lent.transaction():
            engine = await Engines().get(lent, acme.tenant_id, (1, 1, 0))
            return [len(engine.rules), await lent.fetchval("select pg_backend_pid()")]

    reading = asyncio.create_task(read())

    async def begun() -> bool:
        return bool(slow.began)

    await until(begun, "it is being read")
    [session] = connections.lent
    pid = session.get_server_pid()
    fresh = "select clock_timestamp() - state_change < interval '1 s' from pg_stat_activity where pid = $1"
    end = monotonic() + 8.0
    while monotonic() < end:
        # Tests beside this one may have so much of the server that the reader's connection is all that may be had here.
        with suppress(NoConnection):
            await watch._look()
        assert not session.is_closed()
        await asyncio.sleep(0.2)

    async def gives_a_sign() -> bool:
        return bool(await acme.conn.fetchval(fresh, pid))

    await until(gives_a_sign, "it gives signs of life to the end")
    slow.may_end.set()
    assert await reading == [MANY_RULES * 2, pid]


async def test_who_gives_up_waiting_finds_it_read_the_next_time_and_it_is_read_once_for_all(
    acme: Tenancy, connections: Connections, slow: Slow
) -> None:
    async def read() -> int:
        async with connections.acquire(Part.DUTIES) as lent:
            return len((await load_ruleset(lent, acme.tenant_id, 1)).rules)

    async def begun() -> bool:
        return bool(slow.began)

    first, second = asyncio.create_task(read()), asyncio.create_task(read())
    await until(begun, "it is being read")
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    slow.may_end.set()
    assert (await second, await read()) == (MANY_RULES * 2, MANY_RULES * 2)
    assert len(slow.began) == 1 and slow.began[0].startswith("stored rules")


async def test_a_long_one_that_cannot_be_read_says_why_to_each_who_asks(
    acme: Tenancy, conn: asyncpg.Connection, nothing_read_before: None
) -> None:
    await conn.execute("update ruleset set source = replace(source, 'rule 7 of', 'rule 8 of')")
    for _ in range(2):
        with pytest.raises(RulesError, match="ruleset version 1:10"):
            await load_ruleset(conn, acme.tenant_id, 1)
    await conn.execute("update ruleset set source = $1", LONG)
    assert len((await load_ruleset(conn, acme.tenant_id, 1)).rules) == MANY_RULES * 2
    with pytest.raises(RulesUnknown):
        await load_ruleset(conn, acme.tenant_id, 2)


async def test_each_version_and_each_tenant_gets_its_own(
    acme: Tenancy, conn: asyncpg.Connection, nothing_read_before: None
) -> None:
    other = await make_tenant(conn, simple_reps(1), LONG, name="other", zone="Asia/Shanghai")
    await acme.rules(LONG.replace("product: p7}", "product: p8}"))
    await acme.rules(CATCH_ALL)
    found = [await load_ruleset(conn, acme.tenant_id, number) for number in (1, 2, 3)]
    assert [one.version for one in found] == [1, 2, 3]
    assert found[0].rules[7] != found[1].rules[7] and len(found[2].rules) == 2
    theirs = await load_ruleset(conn, other.tenant_id, 1)
    assert (theirs.business_time_zone, theirs.rules) == ("Asia/Shanghai", found[0].rules)


@pytest.mark.direct
async def test_who_stands_in_line_behind_the_versions_of_others_is_not_taken_for_dead(
    acme: Tenancy, connections: Connections, nothing_read_before: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is read is made ready for routing in the same thread: the server must hear of the session then, too."""
    monkeypatch.setattr(apart, "_SIGN_OF_LIFE_S", 0.05)
    assert len((await load_ruleset(acme.conn, acme.tenant_id, 1)).rules) == MANY_RULES * 2
    go_on = threading.Event()
    stored_rules._THREAD.submit(go_on.wait, 60)
    try:
        async with connections.acquire(Part.DRAIN) as lent, lent.transaction():
            await lent.execute("set local idle_in_transaction_session_timeout = '500 ms'")
            pid = lent.get_server_pid()
            reading = asyncio.create_task(Engines().get(lent, acme.tenant_id, (1, 1, 0)))
            at = "select xact_start + interval '1.5 s' < clock_timestamp() from pg_stat_activity where pid = $1"

            async def waited() -> bool:
                return reading.done() or await acme.conn.fetchval(at, pid) is not False

            await until(waited, "it has waited for longer than a silent session may")
            assert await acme.conn.fetchval(at, pid)
            go_on.set()
            assert len((await reading).rules) == MANY_RULES * 2
    finally:
        go_on.set()


@pytest.mark.direct
async def test_rules_that_are_applied_are_not_called_refused_when_the_connection_breaks_afterwards(
    acme: Tenancy, connections: Connections, slow: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The version before is read to say what is different, when the new one holds already."""
    monkeypatch.setattr(apart, "_SIGN_OF_LIFE_S", 0.05)
    async with connections.acquire(Part.CONSOLE) as lent:
        pid = lent.get_server_pid()
        applying = asyncio.create_task(apply(lent, acme.tenant_id, CATCH_ALL, "ops"))

        async def begun() -> bool:
            return bool(slow.began)

        await until(begun, "the version before is being read")
        assert await acme.conn.fetchval("select pg_terminate_backend($1, 5000)", pid)

        async def heard() -> bool:
            return lent.is_closed() or applying.done()

        await until(heard, "the connection is known to be broken")
        slow.may_end.set()
        applied = await applying
    assert (applied.previous, applied.version) == (1, 2)
    assert len(applied.changes) > MANY_RULES


async def test_who_applies_rules_does_not_stand_behind_the_drafts_of_others_once_they_are_applied(
    acme: Tenancy, conn: asyncpg.Connection, nothing_read_before: None
) -> None:
    checked = threading.Event()
    apart._THREAD.submit(checked.wait, 60)
    try:
        applied = await asyncio.wait_for(apply(conn, acme.tenant_id, CATCH_ALL, "ops"), 50)
    finally:
        checked.set()
    assert len(applied.changes) > MANY_RULES


async def test_who_checks_a_long_draft_is_answered_however_long_it_takes(
    acme: Tenancy, conn: asyncpg.Connection, connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its lists are read before, and the roster afterwards; in line it keeps no connection from others."""
    monkeypatch.setattr(apart, "_SIGN_OF_LIFE_S", 0.05)
    monkeypatch.setattr("router.runtime.connections_watch._LONG_S", 0.0)
    monkeypatch.setitem(ConnectionsService.__init__.__globals__["_SILENT_S"], Part.CONSOLE, 5.0)

    async def record(_conn: Connection, _seen: ServerSettings) -> None:
        pass

    watch = ConnectionsService(connections, "a", Health(monotonic), Instruments.silent(), record)
    await watch._look()
    token = await make_token(conn, acme.tenant_id)
    checked = threading.Event()
    apart._THREAD.submit(checked.wait, 60)
    try:
        async with serving_api(connections) as api:
            yaml = {"Content-Type": "application/yaml"}
            checking = asyncio.create_task(
                api.post("/v1/rulesets:check", data=LONG.encode(), headers=yaml, token=token)
            )

            async def in_line() -> bool:
                return apart._THREAD._work_queue.qsize() > 0

            await until(in_line, "it stands in line")
            assert [lending for lending in connections.lent.values() if lending.part is Part.CONSOLE] == []
            end = monotonic() + 8.0
            while monotonic() < end:
                await watch._look()
                await asyncio.sleep(0.2)
            checked.set()
            reply = await checking
    finally:
        checked.set()
    assert (reply.status, reply.document["rules"]) == (200, MANY_RULES * 2), reply.document


@pytest.fixture
def in_line() -> Iterator[threading.Event]:
    """Drafts stand in line until it is set."""
    go_on = threading.Event()
    apart._THREAD.submit(go_on.wait, 60)
    yield go_on
    go_on.set()


async def one_waits() -> bool:
    return apart._THREAD._work_queue.qsize() > 0


YAML = {"Content-Type": "application/yaml"}


async def test_rules_that_are_applied_over_http_keep_no_connection_from_others_and_what_is_applied_is_what_was_checked(
    acme: Tenancy, conn: asyncpg.Connection, connections: Connections, in_line: threading.Event
) -> None:
    token = await make_token(conn, acme.tenant_id)
    async with serving_api(connections) as api:
        applying = asyncio.create_task(
            api.post("/v1/rulesets?anyway=1", data=LONG.replace("p7}", "p8}").encode(), headers=YAML, token=token)
        )
        await until(one_waits, "it stands in line")
        assert [lending for lending in connections.lent.values() if lending.part is Part.CONSOLE] == []
        in_line.set()
        reply = await applying
        assert reply.status == 200, reply.document
        assert (reply.document["version"], reply.document["previous"]) == (2, 1)
        assert [one["rule"] for one in reply.document["changes"]] == ["rule 7 of the long ones"]


async def test_where_another_version_came_meanwhile_rules_are_checked_again_with_its_lists(
    acme: Tenancy,
    conn: asyncpg.Connection,
    connections: Connections,
    in_line: threading.Event,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever applies rules sees what they change in the rules that they replace, not in those of before."""
    # The short rules of the others do not stand in line, although they name a list.
    monkeypatch.setattr(apart, "takes_long", lambda source: len(source) > apart.LONG_TEXT)

    def listed(text: str) -> str:
        return text + "  - {name: cities, match: {region: {in_file: c.txt}}, assign_to: 'group:all'}\n"

    token = await make_token(conn, acme.tenant_id)
    await apply(conn, acme.tenant_id, listed(CATCH_ALL), "ops", lists=lambda _: "Paris\n")
    async with serving_api(connections) as api:
        applying = asyncio.create_task(
            api.post("/v1/rulesets?anyway=1", data=listed(LONG).encode(), headers=YAML, token=token)
        )
        await until(one_waits, "it stands in line")
        await apply(conn, acme.tenant_id, listed(CATCH_ALL), "other", lists=lambda _: "Rome\n")
        in_line.set()
        reply = await applying
    assert reply.status == 200, reply.document
    assert (reply.document["version"], reply.document["previous"]) == (4, 3)
    assert dict((await source_of(conn, acme.tenant_id, 4)).lists) == {"c.txt": "Rome\n"}


async def test_for_a_version_that_is_not_active_any_more_nothing_is_applied(
    acme: Tenancy, conn: asyncpg.Connection, connections: Connections, in_line: threading.Event
) -> None:
    token = await make_token(conn, acme.tenant_id)
    async with serving_api(connections) as api:
        url = "/v1/rulesets?anyway=1&if_version=1"
        applying = asyncio.create_task(api.post(url, data=LONG.replace("p7}", "p8}"), headers=YAML, token=token))
        await until(one_waits, "it stands in line")
        await apply(conn, acme.tenant_id, CATCH_ALL, "other")
        in_line.set()
        reply = await applying
    assert reply.status == 409 and "version 2 is active" in reply.document["detail"], reply.document
    assert [one.author for one in await history(conn, acme.tenant_id, 1)] == ["other"]


async def test_a_version_that_comes_between_the_comparison_and_the_writing_is_not_overwritten_unseen(
    acme: Tenancy, conn: asyncpg.Connection, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = await asyncpg.connect(database_url)
    came: list[int] = []
    looked_at: list[int] = []

    async def compared(*given: Any) -> Applied:
        found = await compare(*given)
        looked_at.append(found.previous)
        if not came:
            came.append((await apply(other, acme.tenant_id, CATCH_ALL, "other")).version)
        return found

    monkeypatch.setattr(rules_apply, "compare", compared)
    rules = read_rules(LONG.replace("p7}", "p8}"), "f")

    async def read() -> Given:
        return Given(rules)

    lend = keeping(conn)
    found = await tenant_named(conn, "acme")
    done = await apply_checked(lend, found, LONG, read, "ops", anyway=True)
    assert (came, looked_at, done.applied.previous, done.applied.version) == ([2], [1, 2], 2, 3)
    came.clear()
    with pytest.raises(RulesMoved):
        await apply_checked(lend, found, CATCH_ALL, read, "ops", anyway=True, if_version=3)
    await other.close()


async def test_when_other_instances_apply_rules_all_the_time_that_is_said_and_no_version_that_was_not_named(
    acme: Tenancy, conn: asyncpg.Connection, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = await asyncpg.connect(database_url)
    looked_at: list[int] = []

    async def compared(*given: Any) -> Applied:
        found = await compare(*given)
        looked_at.append(found.previous)
        another = f"  - {{name: more {len(looked_at)}, match: {{region: x}}, assign_to: 'group:all'}}\n"
        await apply(other, acme.tenant_id, CATCH_ALL + another, "other")
        return found

    monkeypatch.setattr(rules_apply, "compare", compared)

    async def read() -> Given:
        return Given(read_rules(CATCH_ALL, "f"))

    found = await tenant_named(conn, "acme")
    with pytest.raises(RulesBusy, match="others applied rules of this tenant 6 times while") as raised:
        await apply_checked(keeping(conn), found, CATCH_ALL, read, "ops", anyway=True)
    assert isinstance(said_by(raised.value), Worded), "the console says it in its language"
    assert len(looked_at) == 6
    assert {one.author for one in await history(conn, acme.tenant_id, 6)} == {"other"}
    await other.close()


async def test_who_gives_up_while_others_apply_rules_is_in_nobody_s_way(
    acme: Tenancy, conn: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = await tenant_named(conn, "acme")
    lend, go_on, reads = keeping(conn), asyncio.Event(), list[str]()

    def reader(name: str) -> Any:
        async def read() -> Given:
            reads.append(name)
            await go_on.wait()
            return Given(read_rules(CATCH_ALL, "f"))

        return read

    def applying(name: str) -> "asyncio.Task[Any]":
        return asyncio.create_task(apply_checked(lend, found, CATCH_ALL, reader(name), "ops", anyway=True))

    first, second, third = map(applying, ("first", "second", "third"))

    async def begun() -> bool:
        return bool(reads)

    await until(begun, "the first is at it")
    looks = asyncio.create_task(apply_checked(lend, found, CATCH_ALL, reader("looks"), "ops", dry_run=True))

    async def looked() -> bool:
        return "looks" in reads

    await until(looked, "who only looks waits for nobody")
    assert reads == ["first", "looks"]
    second.cancel()
    looks.cancel()
    await asyncio.wait([second, looks])
    go_on.set()
    await asyncio.gather(first, third)
    assert reads == ["first", "looks", "third"]


async def test_several_who_apply_rules_at_once_without_a_version_all_succeed(
    acme: Tenancy, conn: asyncpg.Connection, connections: Connections
) -> None:
    token = await make_token(conn, acme.tenant_id)
    drafts = [
        f"{CATCH_ALL}  - {{name: more {n}, match: {{region: r{n}}}, assign_to: 'group:all'}}\n" for n in range(20)
    ]
    async with serving_api(connections) as api:
        asked = [api.post("/v1/rulesets?anyway=1", data=one.encode(), headers=YAML, token=token) for one in drafts]
        replies = await asyncio.gather(*asked)
    assert [reply.status for reply in replies] == [200] * 20, [reply.document for reply in replies]
    assert sorted(reply.document["version"] for reply in replies) == list(range(2, 22))
    assert all(reply.document["previous"] == reply.document["version"] - 1 for reply in replies)


async def test_comparing_long_versions_keeps_no_connection_from_others(
    acme: Tenancy, conn: asyncpg.Connection, connections: Connections, slow: Slow
) -> None:
    await conn.execute(
        "insert into ruleset (tenant_id, version, author, note, source, lists, synonyms) "
        "select tenant_id, 2, author, note, replace(source, 'p7}', 'p8}'), lists, synonyms from ruleset"
    )
    token = await make_token(conn, acme.tenant_id)
    async with serving_api(connections) as api:
        comparing = asyncio.create_task(api.get("/v1/rulesets/2/diff", token=token))

        async def begun() -> bool:
            return bool(slow.began)

        await until(begun, "one of them is being read")
        assert [lending for lending in connections.lent.values() if lending.part is Part.CONSOLE] == []
        slow.may_end.set()
        reply = await comparing
    assert [one["rule"] for one in reply.document["changes"]] == ["rule 7 of the long ones"], reply.document
