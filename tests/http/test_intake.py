"""Leads that are handed in one by one: durable when it says so, once, and whatever is wrong with them is said."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from router.domain.lead_in import LeadIn
from router.http.expired_keys import ExpiredKeysService
from router.intake import group_commit, lead_intake
from router.intake.group_commit import GroupCommit
from router.intake.hand_in import HandedIn, IdempotencyKey, KeyUsed, Outcome, Taken, take_in
from router.intake.lead_intake import Found
from router.store.connections.connections import Connections, Part
from tests.http.support import Api, Reply, make_token, serving_api
from tests.support import connected, until
from tests.world import Tenancy, a_drain, make_tenant, settle, simple_reps


@pytest.fixture
async def tenant(conn: asyncpg.Connection) -> Tenancy:
    return await make_tenant(conn, simple_reps(2))


@pytest.fixture
async def api(connections: Connections, conn: asyncpg.Connection, tenant: Tenancy) -> AsyncIterator[Api]:
    async with serving_api(connections) as running:
        running.token = await make_token(conn, tenant.tenant_id)
        yield running


def lead(number: object, **fields: object) -> dict[str, object]:
    return {"external_id": str(number), "source": "web", **fields}


async def leads_stored(conn: asyncpg.Connection) -> int:
    count: int = await conn.fetchval("select count(*) from lead")
    return count


async def test_what_was_answered_202_is_committed_and_routed(
    api: Api, tenant: Tenancy, connections: Connections
) -> None:
    reply = await api.post("/v1/leads", lead(1, phone="+86 138 0013 8000", attributes={"budget": 1.50}))
    assert reply.status == 202
    assert reply.headers["Location"] == f"/v1/leads/{reply.document['id']}"
    assert reply.document == {
        "id": reply.document["id"],
        "source": "web",
        "external_id": "1",
        "state": "waiting",
        "duplicate": False,
        "differing": [],
        "merged_into": None,
    }
    assert await tenant.conn.fetchval("select phone || attributes::text from lead") == '+8613800138000{"budget": 1.5}'
    await settle(a_drain(connections), tenant.tenant_id)
    again = await api.post("/v1/leads", lead(1, phone="+8613800138000"))
    assert (again.status, again.document["id"]) == (202, reply.document["id"])
    assert (again.document["duplicate"], again.document["state"], again.document["differing"]) == (True, "assigned", [])


async def test_a_lead_that_comes_again_and_differs_changes_nothing_and_names_the_fields(
    api: Api, conn: asyncpg.Connection
) -> None:
    await api.post("/v1/leads", lead(1, name="Ann", region="Shanghai"))
    again = await api.post("/v1/leads", lead(1, name="Bob", region="SHANGHAI"))
    assert (again.document["duplicate"], again.document["differing"]) == (True, ["name"])
    assert await conn.fetchval("select name from lead") == "Ann"


async def test_every_wrong_field_is_named_with_its_place(api: Api, conn: asyncpg.Connection) -> None:
    wrong = {
        "externalid": "1",
        "created_at": "2026-03-02 09:30",
        "priority": "high",
        "phone": ["138"],
        "name": "x\ud800",
        "region": "r" * 2_001,
        "attributes": {"a/b": "x\0"},
    }
    reply = await api.post("/v1/leads", wrong)
    assert reply.status == 422
    assert reply.kind == "application/problem+json"
    reasons = {error["pointer"]: error["reason"] for error in reply.document["errors"]}
    assert set(reasons) == {
        *("/externalid", "/source", "/external_id", "/created_at", "/priority", "/phone", "/name", "/region"),
        "/attributes/a~1b",
    }
    assert "did you mean external_id?" in reasons["/externalid"]
    assert "no offset" in reasons["/created_at"]
    assert await leads_stored(conn) == 0


@pytest.mark.parametrize("key", ['"k-1"', "k-1", '"k-1"; v=1'])
async def test_the_same_key_gets_the_same_answer_quoted_or_not(api: Api, conn: asyncpg.Connection, key: str) -> None:
    first = await api.post("/v1/leads", lead(1), headers={"Idempotency-Key": '"k-1"'})
    again = await api.post("/v1/leads", lead(1), headers={"Idempotency-Key": key})
    assert (first.status, again.status) == (202, 202)
    assert again.document == first.document
    assert ("Idempotency-Replayed" in first.headers, again.headers["Idempotency-Replayed"]) == (False, "true")
    assert await leads_stored(conn) == 1


async def test_a_key_with_another_body_is_refused_and_only_a_lead_that_was_taken_uses_it_up(
    api: Api, conn: asyncpg.Connection
) -> None:
    headers = {"Idempotency-Key": "k"}
    assert (await api.post("/v1/leads", lead(1, priority="x"), headers=headers)).status == 422
    assert (await api.post("/v1/leads", lead(1), headers=headers)).status == 202
    other = await api.post("/v1/leads", lead(2), headers=headers)
    assert (other.status, other.document["type"]) == (422, "urn:lead-router:problem-key-used")
    assert await leads_stored(conn) == 1


@pytest.mark.parametrize("key", ["", '""', '"', "a b", "é", "x" * 256, '"a" "b"'])
async def test_a_key_that_is_none_is_refused(api: Api, key: str) -> None:
    assert (await api.post("/v1/leads", lead(1), headers={"Idempotency-Key": key})).status == 400


async def test_keys_are_of_one_tenant(api: Api, conn: asyncpg.Connection) -> None:
    other = await make_tenant(conn, simple_reps(1), name="other")
    token = await make_token(conn, other.tenant_id)
    headers = {"Idempotency-Key": "k"}
    assert (await api.post("/v1/leads", lead(1), headers=headers)).status == 202
    assert (await api.post("/v1/leads", lead(2), headers=headers, token=token)).status == 202


async def test_an_expired_key_is_free_again_and_is_deleted(
    api: Api, conn: asyncpg.Connection, connections: Connections
) -> None:
    headers = {"Idempotency-Key": "k"}
    await api.post("/v1/leads", lead(1), headers=headers)
    await conn.execute("update idempotency set expires_at = now() - interval '1 second'")
    again = await api.post("/v1/leads", lead(2), headers=headers)
    assert (again.status, again.document["duplicate"]) == (202, False)
    await api.post("/v1/leads", lead(3), headers={"Idempotency-Key": "k3"})
    await conn.execute("update idempotency set expires_at = now() - interval '1 second' where key = 'k'")

    class Life:
        stopping = False

        def works(self) -> None:
            pass

    await ExpiredKeysService(connections).once(Life())  # type: ignore[arg-type]
    assert [row[0] for row in await conn.fetch("select key from idempotency")] == ["k3"]


async def test_a_key_that_is_being_worked_on_conflicts(
    api: Api, conn: asyncpg.Connection, database_url: str, tenant: Tenancy
) -> None:
    headers = {"Idempotency-Key": "k"}
    async with connected(database_url) as other, other.transaction():
        await other.execute("lock table lead_pool in access exclusive mode")
        first = asyncio.create_task(api.post("/v1/leads", lead(1), headers=headers))
        singles = api.service.leads.singles
        await until(lambda: _known(singles, tenant.tenant_id), "the first request is being worked on")
        running = await api.post("/v1/leads", lead(1), headers=headers)
        assert (running.status, running.headers["Retry-After"]) == (409, "1")
        assert (await api.post("/v1/leads", lead(2), headers=headers)).status == 422
    assert (await first).status == 202


async def _known(singles: GroupCommit, tenant_id: int) -> bool:
    return singles.body_under_way(tenant_id, "k") is not None


async def test_one_lead_from_many_clients_at_once_is_one_lead(api: Api, conn: asyncpg.Connection) -> None:
    replies = await asyncio.gather(*(api.post("/v1/leads", lead(1, name=f"n{i % 2}")) for i in range(64)))
    assert {reply.status for reply in replies} == {202}
    assert len({reply.document["id"] for reply in replies}) == 1
    assert sum(not reply.document["duplicate"] for reply in replies) == 1
    assert await leads_stored(conn) == 1


async def test_many_clients_are_committed_together_and_each_gets_its_own_answer(
    api: Api, conn: asyncpg.Connection
) -> None:
    async def client(number: int) -> list[Reply]:
        return [
            await api.post("/v1/leads", lead(f"{number}-{i}"), headers={"Idempotency-Key": f"{number}-{i}"})
            for i in range(5)
        ]

    replies = [one for some in await asyncio.gather(*map(client, range(64))) for one in some]
    assert {reply.status for reply in replies} == {202}
    stored = {row["lead_id"]: row["external_id"] for row in await conn.fetch("select lead_id, external_id from lead")}
    assert {reply.document["id"]: reply.document["external_id"] for reply in replies} == stored
    assert len(stored) == 320
    commits = await conn.fetchval("select count(distinct xmin::text) from lead")
    assert commits < 160, "nothing was committed together"


async def test_one_lead_that_the_database_refuses_fails_alone(api: Api, conn: asyncpg.Connection) -> None:
    await conn.execute("alter table lead add check (name <> 'poison')")
    names = ["poison" if i in (3, 17) else "fine" for i in range(40)]
    replies = await asyncio.gather(*(api.post("/v1/leads", lead(i, name=name)) for i, name in enumerate(names)))
    assert [reply.status for reply in replies] == [422 if name == "poison" else 202 for name in names]
    assert await leads_stored(conn) == 38


async def test_processes_that_get_the_same_key_at_once_agree_which_request_has_it(
    connections: Connections, conn: asyncpg.Connection, tenant: Tenancy
) -> None:
    async def process(number: int) -> list[Outcome]:
        async with connections.acquire(Part.INTAKE) as own:
            return await take_in(own, tenant.tenant_id, [_keyed(f"{number}-{key}", key, number) for key in "abc"])

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(process(number)) for number in range(4)]
    for place in range(3):
        outcomes = [task.result()[place] for task in tasks]
        assert sum(isinstance(one, Taken) for one in outcomes) == 1
        assert sum(isinstance(one, KeyUsed) for one in outcomes) == 3
    assert await leads_stored(conn) == await conn.fetchval("select count(*) from idempotency") == 3


def _keyed(external_id: str, key: str, body: int) -> HandedIn:
    return HandedIn(LeadIn("web", external_id), IdempotencyKey(key, bytes([body]) * 16))


async def test_a_client_that_hangs_up_does_not_stop_the_commit(
    api: Api, conn: asyncpg.Connection, database_url: str, tenant: Tenancy
) -> None:
    async with connected(database_url) as other, other.transaction():
        await other.execute("lock table lead_pool in access exclusive mode")
        gone = asyncio.create_task(api.post("/v1/leads", lead(1), headers={"Idempotency-Key": "k"}))
        singles = api.service.leads.singles
        await until(lambda: _known(singles, tenant.tenant_id), "the request is being worked on")
        gone.cancel()

    async def stored() -> bool:
        return await leads_stored(conn) == 1

    await until(stored, "the lead is stored")


async def test_a_database_that_is_busy_is_503_and_sending_again_does_no_harm(
    api: Api, conn: asyncpg.Connection, database_url: str
) -> None:
    async with connected(database_url) as other, other.transaction():
        await other.execute("lock table lead in access exclusive mode")
        reply = await api.post("/v1/leads", lead(1))
        assert (reply.status, reply.headers["Retry-After"]) == (503, "1")
        assert "send it again" in reply.document["detail"]
    assert (await api.post("/v1/leads", lead(1))).status == 202
    assert await leads_stored(conn) == 1


async def test_too_many_waiting_are_shed_at_once_and_other_tenants_are_not(
    api: Api, conn: asyncpg.Connection, database_url: str, monkeypatch: pytest.MonkeyPatch, tenant: Tenancy
) -> None:
    other_tenant = await make_tenant(conn, simple_reps(1), name="other")
    token = await make_token(conn, other_tenant.tenant_id)
    assert (await api.post("/v1/leads", lead(0), headers={"Idempotency-Key": "k0"})).status == 202
    monkeypatch.setattr(group_commit, "MAX_WAITING", 3)
    singles, release = api.service.leads.singles, asyncio.Event()
    take = singles._intake.take

    async def slow(tenant_id: int, handed_in: list[HandedIn], route: Any) -> list[Found]:
        if tenant_id == tenant.tenant_id:
            await release.wait()
        return await take(tenant_id, handed_in, route)

    monkeypatch.setattr(singles._intake, "take", slow)
    first = asyncio.create_task(api.post("/v1/leads", lead(1), headers={"Idempotency-Key": "k"}))
    await until(lambda: _known(singles, tenant.tenant_id), "the first is being committed")
    replies = [asyncio.create_task(api.post("/v1/leads", lead(i))) for i in range(2, 12)]
    done, _ = await asyncio.wait(replies, return_when=asyncio.FIRST_COMPLETED)
    shed = done.pop().result()
    assert (shed.status, shed.headers["Retry-After"], shed.headers["RateLimit"]) == (429, "1", '"waiting";r=0;t=1')
    assert (await api.post("/v1/leads", lead(1), token=token)).status == 202
    release.set()
    assert (await first).status == 202
    statuses = [(await reply).status for reply in replies]
    assert statuses.count(202) >= 3
    assert await leads_stored(conn) == statuses.count(202) + 3


async def test_what_waits_for_too_long_is_answered_as_not_stored(
    api: Api, monkeypatch: pytest.MonkeyPatch, tenant: Tenancy
) -> None:
    await api.post("/v1/leads", lead(0))
    monkeypatch.setattr(group_commit, "WAITS_S", 0.2)
    monkeypatch.setattr(group_commit, "_LOOK_EVERY_S", 0.05)
    singles, release = api.service.leads.singles, asyncio.Event()
    take = singles._intake.take

    async def slow(tenant_id: int, handed_in: list[HandedIn], route: Any) -> list[Found]:
        await release.wait()
        return await take(tenant_id, handed_in, route)

    monkeypatch.setattr(singles._intake, "take", slow)
    first = asyncio.create_task(api.post("/v1/leads", lead(1), headers={"Idempotency-Key": "k"}))
    await until(lambda: _known(singles, tenant.tenant_id), "the first is being committed")
    assert (await api.post("/v1/leads", lead(2))).status == 503
    release.set()
    assert (await first).status == 202


async def test_a_commit_that_takes_too_long_is_503(
    api: Api, monkeypatch: pytest.MonkeyPatch, database_url: str
) -> None:
    await api.post("/v1/leads", lead(0))
    monkeypatch.setattr(lead_intake, "COMMIT_S", 0.2)
    async with connected(database_url) as other, other.transaction():
        await other.execute("lock table lead in access exclusive mode")
        assert (await api.post("/v1/leads", lead(1))).status == 503
    assert (await api.post("/v1/leads", lead(1))).status == 202


@pytest.mark.direct
async def test_of_a_group_whose_connection_breaks_those_that_are_stored_are_202_and_only_the_others_503(
    api: Api, conn: asyncpg.Connection, database_url: str, monkeypatch: pytest.MonkeyPatch, tenant: Tenancy
) -> None:
    phone = "+8613800138000"
    assert (await api.post("/v1/leads", lead(0, phone=phone))).status == 202
    singles, release, groups = api.service.leads.singles, asyncio.Event(), list[int]()
    take = singles._intake.take

    async def slow(tenant_id: int, handed_in: list[HandedIn], route: Any) -> list[Found]:
        groups.append(len(handed_in))
        await release.wait()
        return await take(tenant_id, handed_in, route)

    async def gathered() -> bool:
        line = singles._lines.get(tenant.tenant_id)
        return line is not None and len(line.waiting) == 4

    async def broken() -> bool:
        return bool(
            await conn.fetchval(
                "select count(pg_terminate_backend(pid)) from pg_stat_activity where datname = current_database()"
                " and wait_event_type = 'Lock' and application_name like 'lead-router%'"
            )
        )

    monkeypatch.setattr(singles._intake, "take", slow)
    first = asyncio.create_task(api.post("/v1/leads", lead(1), headers={"Idempotency-Key": "k"}))
    await until(lambda: _known(singles, tenant.tenant_id), "the first is being committed")
    # The third is of a customer who was here before: it is stored after the others of its group.
    sent = [lead(2), lead(3), lead(4, phone=phone), lead(5)]
    posts = [asyncio.create_task(api.post("/v1/leads", one)) for one in sent]
    await until(gathered, "the others are one group")
    async with connected(database_url) as other, other.transaction():
        await other.execute("select from customer_key for update")
        release.set()
        await until(broken, "the connection breaks while the rest of the group waits")
        replies = [await one for one in posts]
    assert (await first).status == 202
    assert groups == [1, 4]
    assert [reply.status for reply in replies] == [202, 202, 503, 202], [reply.document for reply in replies]
    there = {row[0]: row[1] for row in await conn.fetch("select external_id, lead_id from lead")}
    assert sorted(there) == ["0", "1", "2", "3", "5"]
    assert [reply.document["id"] for reply in replies if reply.status == 202] == [there[n] for n in "235"]
    assert (await api.post("/v1/leads", sent[2])).document["duplicate"] is False
    assert await leads_stored(conn) == 6


@pytest.mark.direct
async def test_a_batch_that_ends_early_counts_what_its_parts_have_stored(
    api: Api, conn: asyncpg.Connection, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lead that the database refuses divides it into parts, each a commit: the last of them waits in vain."""
    phone = "+8613800138000"
    assert (await api.post("/v1/leads", lead(0, phone=phone))).status == 202
    await conn.execute("alter table lead add constraint never check (external_id <> 'bad')")
    async with connected(database_url) as other:
        locked = other.transaction()

        async def locks_before_the_last(*arguments: Any) -> list[Outcome]:
            if [one.lead.external_id for one in arguments[2]] == ["2", "3"]:
                await locked.start()
                await other.execute("select from customer_key for update")
            return await take_in(*arguments)

        monkeypatch.setattr(lead_intake, "take_in", locks_before_the_last)
        reply = await api.post("/v1/leads:batch", [lead("bad"), lead(1), lead(2), lead(3, phone=phone)])
        await locked.rollback()
    assert reply.status == 503
    assert (reply.document["stored"], reply.document["refused"]) == (1, 1), reply.document
    assert await leads_stored(conn) == 2
