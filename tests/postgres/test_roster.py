"""Tenants and rosters in the database: nothing half done, nothing lost between importers, every version kept."""

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from click.testing import CliRunner, Result

from ops.cli.commands import reps as reps_command
from ops.cli.commands import tenants as tenants_command
from ops.cli.context import Context
from ops.embedded.urls import Urls
from router.domain.rep_fields import RepLine
from router.domain.roster import Roster
from router.intake.roster_file import read_roster
from router.settings.model import Settings
from router.store import tenants
from router.store.roster import RepUnknown, current_reps, import_reps, load_roster, rep_number, set_rep
from tests.command_line import CommandLine

ROSTER = """rep_id,name,available,time_zone,working_hours,groups,regions,weight,max_open
r1,Wang,是,Asia/Shanghai,"mon-fri 09:00-12:00,13:00-18:00",east;automation,ＳＨＡＮＧＨＡＩ,1.5,200
r2,Li,离岗,,,East,,,
"""

IMPORTER = """
import asyncio, sys, asyncpg
from router.domain.rep_fields import RepLine
from router.store.roster import import_reps

async def main(url, name):
    conn = await asyncpg.connect(url, statement_cache_size=0)
    for turn in range(10):
        lines = [RepLine(f"{name}{i}", {"groups": (f"{name}-{turn}", "both")}) for i in range(20)]
        lines += [RepLine(f"shared{i}", {"team": f"{name}{turn}"}) for i in range(5)]
        await import_reps(conn, 1, lines, name)
    await conn.close()

asyncio.run(main(*sys.argv[1:]))
"""


def lines(text: str = ROSTER) -> list[RepLine]:
    return read_roster(text.encode(), "reps.csv")


@pytest.fixture
async def tenant(conn: asyncpg.Connection) -> tenants.Tenant:
    return await tenants.add(conn, "acme", "Asia/Shanghai")


async def test_adding_a_tenant_twice_is_fine_and_makes_one_lane(conn: asyncpg.Connection) -> None:
    first, again = [await tenants.add(conn, "acme", "Asia/Shanghai") for _ in range(2)]
    assert first == again
    assert await conn.fetchval("select count(*) from lane where tenant_id = $1", first.tenant_id) == 1
    assert [t.name for t in await tenants.all_tenants(conn)] == ["acme"]


async def test_a_tenant_never_changes_its_zone_by_accident(conn: asyncpg.Connection) -> None:
    await tenants.add(conn, "acme", "Asia/Shanghai")
    with pytest.raises(tenants.TenantExists, match="Asia/Shanghai, not Europe/Berlin"):
        await tenants.add(conn, "acme", "Europe/Berlin")
    for name, zone, told in (("a b", "UTC", "A-Z"), ("", "UTC", "A-Z"), ("x", "Asia/Shangai", "Asia/Shanghai")):
        with pytest.raises(tenants.TenantError, match=told):
            await tenants.add(conn, name, zone)
    assert await conn.fetchval("select count(*) from tenant") == 1


async def test_an_unknown_tenant_is_told_who_is_known(conn: asyncpg.Connection, tenant: tenants.Tenant) -> None:
    with pytest.raises(tenants.TenantUnknown, match=r"did you mean acme\? known tenants: acme"):
        await tenants.tenant_named(conn, "Acm")


async def test_many_adding_the_same_tenant_make_one(database_url: str) -> None:
    async def one() -> int:
        conn = await asyncpg.connect(database_url)
        try:
            return (await tenants.add(conn, "acme", "UTC")).tenant_id
        finally:
            await conn.close()

    assert len(set(await asyncio.gather(*(one() for _ in range(8))))) == 1


async def test_a_roster_is_read_back_as_the_file_says(conn: asyncpg.Connection, tenant: tenants.Tenant) -> None:
    change = await import_reps(conn, tenant.tenant_id, lines(), "ann", note="first")
    roster = await load_roster(conn, tenant.tenant_id, change.version)
    first, second = roster.reps
    east, automation = roster.group_numbers["east"], roster.group_numbers["automation"]
    assert (change.version, change.added) == (1, ("r1", "r2"))
    assert (first.available, first.weight, first.max_open) == (True, 1500, 200)
    assert (first.groups, first.regions) == (frozenset({east, automation}), frozenset({"shanghai"}))
    # "East" is "east": a second group that nobody sees would be a silent hole in the routing
    assert second.groups == frozenset({east})
    assert (second.available, second.time_zone, second.weight, second.max_open) == (
        False,
        "Asia/Shanghai",
        1000,
        None,
    )
    assert (await tenants.tenant_named(conn, "acme")).roster == 1
    assert await conn.fetchval("select author || ': ' || note from roster_version") == "ann: first"


async def test_the_same_file_again_changes_nothing(conn: asyncpg.Connection, tenant: tenants.Tenant) -> None:
    await import_reps(conn, tenant.tenant_id, lines(), "ann")
    before = await conn.fetch("select * from rep_row order by rep_no, from_version")
    respelled = ROSTER.replace("是", " YES ").replace("09:00", "9:00").replace("1.5", "1.500")
    for text in (ROSTER, respelled):
        change = await import_reps(conn, tenant.tenant_id, lines(text), "ann")
        assert (change.version, change.previous, change.unchanged) == (1, 1, 2)
    assert await conn.fetch("select * from rep_row order by rep_no, from_version") == before
    assert await conn.fetchval("select count(*) from roster_version") == 1


async def test_an_absent_column_leaves_its_field_and_only_changed_reps_get_rows(
    conn: asyncpg.Connection, tenant: tenants.Tenant
) -> None:
    await import_reps(conn, tenant.tenant_id, lines(), "ann")
    change = await import_reps(conn, tenant.tenant_id, lines("rep_id,weight\nr1,2\nr2,1\n"), "ann")
    assert (change.fields, change.unchanged) == ({"weight": 1}, 1)
    assert change.changed[0].fields == {"weight": (1500, 2000)}
    values = (await current_reps(conn, tenant.tenant_id))[0].values
    assert (values["name"], values["groups"], values["max_open"]) == ("Wang", ("automation", "east"), 200)
    assert await conn.fetchval("select count(*) from rep_row") == 3


async def test_reps_missing_from_the_file_stay_unless_told_otherwise(
    conn: asyncpg.Connection, tenant: tenants.Tenant
) -> None:
    await import_reps(conn, tenant.tenant_id, lines(), "ann")
    some = lines("rep_id,name\nr1,Wang\n")
    assert (await import_reps(conn, tenant.tenant_id, some, "ann")).missing == 1
    assert (await current_reps(conn, tenant.tenant_id))[1].values["active"]
    dry = await import_reps(conn, tenant.tenant_id, some, "ann", retire_missing=True, dry_run=True)
    assert (dry.version, dry.changed[0].fields) == (1, {"active": (True, False)})
    change = await import_reps(conn, tenant.tenant_id, some, "ann", retire_missing=True)
    assert (change.version, change.changed) == (2, dry.changed)
    assert not (await current_reps(conn, tenant.tenant_id))[1].values["active"]
    assert (await import_reps(conn, tenant.tenant_id, some, "ann", retire_missing=True)).missing == 0


async def test_every_version_can_be_read_back_whole_or_from_an_earlier_one(
    conn: asyncpg.Connection, tenant: tenants.Tenant
) -> None:
    history: list[Roster] = [await load_roster(conn, tenant.tenant_id, 0)]
    for turn in range(1, 13):
        reps = [
            RepLine(f"r{i}", {"available": (i + turn) % 3 > 0, "groups": (f"g{turn % 4}",), "weight": turn})
            for i in range(turn % 5, turn + 2)
        ]
        change = await import_reps(conn, tenant.tenant_id, reps, "ann")
        assert change.version == turn
        history.append(await load_roster(conn, tenant.tenant_id, turn))
    for then in history:
        assert (await load_roster(conn, tenant.tenant_id, then.version)).reps == then.reps
        for known in history:
            stepped = await load_roster(conn, tenant.tenant_id, then.version, known)
            assert (stepped.reps, stepped.version) == (then.reps, then.version)
    assert len({then.reps for then in history}) == len(history)


async def test_setting_one_rep_tells_old_and_new(conn: asyncpg.Connection, tenant: tenants.Tenant) -> None:
    await import_reps(conn, tenant.tenant_id, lines(), "ann")
    change = await set_rep(conn, tenant.tenant_id, "r2", {"available": True, "groups": ("west",)}, "bob")
    assert change.changed[0].fields == {"available": (False, True), "groups": (("east",), ("west",))}
    assert (await set_rep(conn, tenant.tenant_id, "r2", {"available": True}, "bob")).version == 2
    with pytest.raises(RepUnknown, match="did you mean"):
        await set_rep(conn, tenant.tenant_id, "r22", {"available": True}, "bob")


async def test_a_failing_import_leaves_no_trace_and_burns_no_number(
    conn: asyncpg.Connection, tenant: tenants.Tenant
) -> None:
    await import_reps(conn, tenant.tenant_id, lines(), "ann")
    with pytest.raises(asyncpg.CheckViolationError):
        await import_reps(
            conn, tenant.tenant_id, [RepLine("r3", {"groups": ("n",)}), RepLine("r4", {"weight": -1})], "x"
        )
    assert await conn.fetchval("select (select count(*) from rep) + (select count(*) from grp)") == 4
    assert (await import_reps(conn, tenant.tenant_id, [RepLine("r5", {})], "ann")).version == 2
    assert [rep.rep_no for rep in await current_reps(conn, tenant.tenant_id)] == [1, 2, 3]


async def test_tenants_do_not_see_each_others_reps(conn: asyncpg.Connection, tenant: tenants.Tenant) -> None:
    other = await tenants.add(conn, "other", "UTC")
    await import_reps(conn, tenant.tenant_id, lines(), "ann")
    await import_reps(conn, other.tenant_id, [RepLine("r1", {"name": "Somebody else"})], "ann")
    assert [r.name for r in (await load_roster(conn, other.tenant_id, 1)).reps] == ["Somebody else"]
    assert [r.name for r in (await load_roster(conn, tenant.tenant_id, 1)).reps] == ["Wang", "Li"]


async def test_two_importers_at_once_take_turns(
    database_url: str, conn: asyncpg.Connection, tenant: tenants.Tenant
) -> None:
    processes = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", IMPORTER, database_url, name) for name in "ab"
    ]
    assert [await process.wait() for process in processes] == [0, 0]
    versions = await conn.fetch("select version from roster_version order by version")
    assert [row["version"] for row in versions] == list(range(1, 21))
    assert await conn.fetchval("select count(*) from rep") == 45
    assert await conn.fetchval("select count(*) from grp") == 21
    # In each version every rep has at most one row, and rows of a rep follow each other without a gap.
    gaps = """select count(*) from (select to_version, lead(from_version) over (partition by rep_no
              order by from_version) as next from rep_row) r where to_version is distinct from next"""
    assert await conn.fetchval(gaps) == 0
    assert len((await load_roster(conn, tenant.tenant_id, 20)).reps) == 45


class Cli:
    """Runs commands against the test's database as a user would."""

    def __init__(self, url: str) -> None:
        @asynccontextmanager
        async def servers(_: Settings) -> AsyncIterator[Urls]:
            yield Urls(url, None)

        self._context = Context(Settings(), servers)

    async def run(self, *arguments: str) -> Result:
        family = {"reps": reps_command, "tenants": tenants_command}[arguments[0]]
        return await asyncio.to_thread(CliRunner().invoke, family, arguments[1:], obj=self._context)

    async def json(self, *arguments: str) -> Any:
        result = await self.run(*arguments, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)


async def test_the_commands_as_a_user_types_them(database_url: str, tmp_path: Path) -> None:
    cli, file = Cli(database_url), tmp_path / "reps.csv"
    file.write_text(ROSTER, "utf-8-sig")
    assert (await cli.json("tenants", "add", "acme", "--time-zone", "Asia/Shanghai"))["name"] == "acme"
    assert (await cli.run("tenants", "add", "acme", "--time-zone", "UTC")).exit_code == 1
    assert (await cli.run("tenants", "add", "b", "--time-zone", "Mars")).exit_code == 2
    dry = await cli.json("reps", "import", str(file), "--tenant", "acme", "--dry-run")
    assert (dry["dry_run"], dry["version"], dry["added"]) == (True, 0, ["r1", "r2"])
    result = await cli.run("reps", "import", str(file), "--tenant", "acme")
    assert "2 added, 0 changed, 0 unchanged; roster version 1 is now active" in result.output
    result = await cli.run("reps", "set", "r2", "--tenant", "acme", "--available", "在岗", "--weight", "0.5")
    assert "rep r2: available: no → yes" in result.output
    assert "rep r2: weight: 1 → 0.5" in result.output
    listed = await cli.json("reps", "list", "--tenant", "acme")
    assert [(rep["rep_id"], rep["available"], rep["weight"]) for rep in listed] == [
        ("r1", True, 1.5),
        ("r2", True, 0.5),
    ]
    assert "mon-fri 09:00-12:00" in (await cli.run("reps", "list", "--tenant", "acme")).output
    assert [t["roster"] for t in await cli.json("tenants", "list")] == [2]


async def test_a_bad_file_changes_nothing_and_says_where(
    database_url: str, conn: asyncpg.Connection, tmp_path: Path
) -> None:
    cli, file = Cli(database_url), tmp_path / "reps.csv"
    await cli.run("tenants", "add", "acme", "--time-zone", "UTC")
    file.write_text("rep_id,available\nr1,yes\nr2,perhaps\n")
    result = await cli.run("reps", "import", str(file), "--tenant", "acme")
    assert result.exit_code == 2
    assert f'{file}:3: rep r2: column available: value "perhaps" is not understood' in result.stderr
    assert await conn.fetchval("select count(*) from rep") == 0
    for arguments, told in (
        (("reps", "import", "none.csv", "--tenant", "acme"), "none.csv: No such file"),
        (("reps", "list", "--tenant", "acmee"), "did you mean acme?"),
        (("reps", "set", "r9", "--tenant", "acme", "--available", "no"), "there is no rep 'r9'"),
        (("reps", "set", "r9", "--tenant", "acme", "--available", "x"), '--available: value "x" is not understood'),
        (("reps", "set", "r9", "--tenant", "acme"), "nothing to set"),
    ):
        result = await cli.run(*arguments)
        assert (result.exit_code, told in result.stderr) == (2, True), (arguments, result.output)


async def test_reading_one_version_of_many_looks_at_each_rep_once(
    conn: asyncpg.Connection, tenant: tenants.Tenant
) -> None:
    """5,000 reps with 100 versions each: the cost of any version is that of the reps, not of the history."""
    await conn.execute("insert into rep select $1::int, n, 'r' || n from generate_series(1, 5000) n", tenant.tenant_id)
    await conn.execute(
        """insert into rep_row (tenant_id, rep_no, from_version, to_version, name, time_zone)
           select $1::int, n, v, nullif(v + 1, 101), 'x', 'UTC' from generate_series(1, 100) v,
                  generate_series(1, 5000) n""",
        tenant.tenant_id,
    )
    from router.store.roster import _SQL

    for statement, extra in ((_SQL.reps_as_of, "50"), (_SQL.reps_changed, "99, 100"), (_SQL.current_reps, "")):
        arguments = ", ".join(filter(None, (str(tenant.tenant_id), extra)))
        for mode in ("force_custom_plan", "force_generic_plan"):
            await conn.execute(f"set plan_cache_mode = {mode}")
            await conn.execute(f"prepare look as {statement.sql}")
            plan = await conn.fetchval(f"explain (analyze, timing off, format json) execute look({arguments})")
            await conn.execute("deallocate look")
            assert "Seq Scan on rep_row" not in plan
            rows = [node for node in _nodes(json.loads(plan)[0]["Plan"]) if node.get("Relation Name") == "rep_row"]
            for node in rows:
                read = (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
                assert read <= 10_000, (statement.name, mode, node)


def _nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for child in plan.get("Plans", []) for node in _nodes(child))]


async def test_reps_outside_every_group_are_named_at_import(
    conn: asyncpg.Connection, database_url: str, tmp_path: Path
) -> None:
    """Cause F2 of the outage: a missing membership raises no error anywhere, so it is said when it comes in."""
    await tenants.add(conn, "acme", "UTC")
    file = tmp_path / "reps.csv"
    file.write_text("rep_id,name,available,time_zone,groups\nin,A,yes,UTC,east\nout,B,yes,UTC,\n")
    told = await CommandLine(reps_command, database_url).json("import", str(file), "--tenant", "acme")
    assert told["in_no_group"] == ["out"]


async def test_a_comma_between_groups_is_said_at_once_and_not_again(
    conn: asyncpg.Connection, database_url: str, tmp_path: Path
) -> None:
    """`DACH,Key accounts` is one group, to which no rule assigns: two groups lose a rep without an error."""
    await tenants.add(conn, "acme", "UTC")
    command, file = CommandLine(reps_command, database_url), tmp_path / "reps.csv"
    file.write_text('rep_id,name,groups\nmm,Max,DACH\njb,Jo,"DACH,Key accounts"\n')
    first = await command.run("import", str(file), "--tenant", "acme")
    assert 'warning: "DACH,Key accounts" (jb) is one group with a comma in its name' in first.output
    assert "comma" not in (await command.run("import", str(file), "--tenant", "acme")).output
    file.write_text("rep_id,name,groups\nmm,Max,DACH\njb,Jo,DACH|Key accounts\n")
    mended = await command.run("import", str(file), "--tenant", "acme")
    assert "no active rep is in group DACH,Key accounts any more" in mended.output, mended.output
    assert (await command.json("import", str(file), "--tenant", "acme"))["groups_with_commas"] == {}


async def test_who_names_a_rep_in_place_of_the_id_is_shown_the_id(conn: asyncpg.Connection) -> None:
    acme = await tenants.add(conn, "acme", "UTC")
    reps = lines("rep_id,name\nsk,Sabine Köhler\nsm,Sabine Maier\nmm,Max Müller\n")
    await import_reps(conn, acme.tenant_id, reps, "test")
    for wanted, meant in (("köhler", "did you mean sk (Sabine Köhler)?"), ("Sabine", "sk (Sabine Köhler) or sm")):
        with pytest.raises(RepUnknown, match=re.escape(meant)):
            await rep_number(conn, acme.tenant_id, wanted)
