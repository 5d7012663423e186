"""The five causes of the outage exactly as they were: no lead waits for any of them, and the doctor at most warns."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from loadtest.faults.server import FaultServer, reachable_folder
from router.domain.calendar import business_day
from router.store.migrate import migrate
from tests.failure_modes.scene import Service, make_role, role_with_connections, running, web
from tests.support import connected, until
from tests.world import Tenancy, make_tenant, reps_csv

RULES = """
rules:
  - {name: everyone, match: {}, assign_to: "group:all"}
"""
REPS = reps_csv(f"r{n},Rep {n},yes,UTC,all,100000,100000" for n in range(1, 5))
TODAY = """
rules:
  - {name: today, match: {created: today}, assign_to: "group:all"}
  - {name: older, match: {}, assign_to: "group:older"}
"""


async def flows(service: Service, leads: int = 30) -> None:
    """So many more leads come in, and each is assigned."""
    first = service.sent

    async def sent() -> bool:
        return service.sent >= first + leads

    await until(sent, f"{leads} more leads are sent")
    await service.all_routed()


async def healthy(service: Service) -> None:
    await flows(service)
    await service.fine()
    await service.quiet()
    await service.audited()


async def test_f1_availability_in_chinese_text_is_understood(
    conn: asyncpg.Connection, database_url: str, tmp_path: Path
) -> None:
    tenant = await make_tenant(conn, REPS, RULES)
    await conn.execute(
        "create table crm_people as select 'r' || n as rep_id, true as available, 'all' as groups "
        "from generate_series(1, 4) n"
    )
    await conn.execute("create view crm_reps as select * from crm_people")
    sync = tmp_path / "sync.yaml"
    sync.write_text("tenants: {acme: {view: crm_reps, every: 1s}}")
    async with running(tenant, database_url, web, roster_sync_file=sync) as service:
        await flows(service)
        await conn.execute(
            "drop view crm_reps; alter table crm_people alter available type text using "
            "case when available then '是' else '否' end; create view crm_reps as select * from crm_people"
        )
        await conn.execute("update crm_people set available = '否' where rep_id = 'r1'")

        async def taken() -> bool:
            return not await conn.fetchval(
                "select available from rep_row join rep using (tenant_id, rep_no) "
                "where rep_id = 'r1' and to_version is null"
            )

        await until(taken, "the new spelling is taken over")
        before = (await tenant.counts())["r1"]
        await healthy(service)
        assert (await tenant.counts())["r1"] == before


async def test_f2_new_reps_without_a_group_keep_no_lead_waiting_and_are_named(
    conn: asyncpg.Connection, database_url: str
) -> None:
    rows = [
        *(f"r{n},Rep {n},yes,UTC,all,100000,100000" for n in range(1, 3)),
        *(f"n{n},New,yes,UTC,,9,9" for n in range(5)),
    ]
    tenant = await make_tenant(conn, reps_csv(rows), RULES)
    async with running(tenant, database_url, web) as service:
        await healthy(service)
        named = {one["code"]: one for one in await service.doctor(code=0)}
        assert [row["rep_id"] for row in named["reps_without_group"]["evidence"]] == [f"n{n}" for n in range(5)]


async def test_f3_around_midnight_in_shanghai_today_is_shanghai_s(conn: asyncpg.Connection, database_url: str) -> None:
    rows = ["r1,One,yes,UTC,all,100000,100000", "r2,Two,yes,UTC,older,100000,100000"]
    tenant = await make_tenant(conn, reps_csv(rows), TODAY, zone="Asia/Shanghai")
    midnight = business_day(datetime.now(UTC), "Asia/Shanghai").start

    def around(number: int) -> object:
        return web(number, created_at=midnight + timedelta(seconds=1 if number % 2 else -1))

    async with running(tenant, database_url, around) as service:  # type: ignore[arg-type]
        await healthy(service)
        # By the day of each decision: it may become midnight in Shanghai while this runs.
        wrong = await conn.fetchval(
            "select count(*) from assignment a join lead l using (tenant_id, lead_id) "
            "join rep r using (tenant_id, rep_no) where (r.rep_id = 'r1') <> (l.created_at >= "
            "date_trunc('day', a.assigned_at at time zone 'Asia/Shanghai') at time zone 'Asia/Shanghai')"
        )
        assert wrong == 0


async def test_f4_a_script_that_locks_half_of_the_pool_delays_no_other_lead(
    conn: asyncpg.Connection, database_url: str
) -> None:
    """Reps come only after the lock is held, so that there is a pool to lock."""
    tenant = await make_tenant(conn, reps_csv(["r1,One,no,UTC,all,100000,100000"]), RULES)
    async with running(tenant, database_url, web, stalls_after_s=30) as service, connected(database_url) as script:
        await service.waits("nobody_available", 40)
        await script.execute("set application_name = 'nightly script'; begin")
        locked = [
            row[0] for row in await script.fetch("select lead_id from lead_pool where lead_id % 2 = 0 for update")
        ]
        await tenant.roster(REPS)

        async def others_done() -> bool:
            return not await conn.fetchval(
                "select count(*) from lead_pool where not lead_id = any($1::bigint[])", locked
            )

        await until(others_done, "all leads that are not locked are assigned")
        named = {one["code"]: one for one in await service.doctor(code=0)}
        assert named["database_busy"]["severity"] == "warning"
        assert "nightly script" in named["database_busy"]["sentence"]
        await script.execute("rollback")
        await service.all_routed()
        await service.audited()


async def test_f5_fewer_connections_in_mid_load_are_slower_and_never_a_stop(
    conn: asyncpg.Connection, database_url: str
) -> None:
    tenant = await make_tenant(conn, REPS, RULES)
    async with (
        role_with_connections(conn, database_url, 100) as (role, url),
        running(tenant, url, web, daemons=2, direct=database_url, connections_maximum=20) as service,
    ):
        await flows(service)
        await conn.execute(f"alter role {role} connection limit 8")
        await conn.execute("select pg_terminate_backend(pid) from pg_stat_activity where usename = $1", role)
        await healthy(service)


@pytest.mark.full
async def test_f5_a_server_that_is_restarted_with_30_connections_instead_of_100_goes_on_under_load() -> None:
    with reachable_folder("lead-router-own-") as folder:
        server = FaultServer(folder, {"max_connections": "100"})
        await server.start()
        await migrate(server.url())
        async with connected(server.url()) as conn:
            tenant = await make_tenant(conn, REPS, RULES)
            _, url = await make_role(conn, server.url(), -1)
            async with running(tenant, url, web, daemons=2, direct=server.url(), connections_maximum=40) as service:
                await flows(service)
                await server.crash()
                await server.start(max_connections=30)
                async with connected(server.url()) as again:
                    service.tenant = Tenancy(again, tenant.tenant_id)
                    await healthy(service)
                    assert "connections_short" in {one["code"] for one in await service.doctor(code=0)}
        await server.crash()
