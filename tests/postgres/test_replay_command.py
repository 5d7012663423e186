"""`replay`: unchanged it finds no difference; with changes it tells what routing the same leads would have done."""

import csv
import random
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import msgspec
import pytest

from ops.cli.replay import replay_
from ops.replay.overrides import Override, read_override
from ops.replay.report import changes_by_kind
from ops.replay.run import Replayed, replay, snapshot
from ops.replay.tally import Given, Waits
from ops.replay.variants import Changes
from ops.replay.verify import verify
from router.domain.flight_format import decode, encode
from router.domain.rep_fields import read_field
from router.drain.request import BatchRequest
from router.rules.file import RulesFile, read_rules
from router.store.assignments import Ending, end
from router.store.connections.connections import Connections
from router.store.pauses import pause, resume
from router.store.replay import pauses, span_of
from router.store.roster import set_rep
from router.store.tenants import tenant_named
from tests.busy_world import make_busy
from tests.command_line import CommandLine
from tests.simulation import Simulation
from tests.world import Tenancy, a_drain, lead, make_tenant, reps_csv, settle

START = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
READY = 25
HEADER = "rep_id,name,available,time_zone,working_hours,groups,regions,weight,max_open,max_per_day"
REPS = [
    "r1,Ann,yes,UTC,,east;all,East,2,6,",
    "r2,Bo,yes,UTC,,east;all,,1,,5",
    "r3,Cy,yes,UTC,mon-sun 08:00-18:00,west;all,West,1,5,",
    "r4,Di,yes,UTC,,west;all,,0.5,4,4",
    "r5,Ed,no,UTC,,all,,1,,",
    "r6,Flo,yes,UTC,,desk,,1,3,",
]
RULES = """
defaults: {max_open: 8, max_per_day: 7}
weights: {region_match: 2.0}
rules:
  - {name: known, match: {known_customer: true}, assign_to: owner, fall_back_after: 45m}
  - {name: east, match: {region: East}, assign_to: group:east}
  - {name: west, match: {region: West}, assign_to: group:west, on_no_candidate: wait}
  - {name: rest, match: {region: [East, North]}, assign_to: group:all}
"""
OTHER_RULES = """
defaults: {max_open: 6, max_per_day: 9}
weights: {region_match: 3.0}
rules:
  - {name: desk-first, match: {priority: [5]}, assign_to: group:desk, window: {mon-sun: "09:00-17:00"}}
  - {name: known, match: {known_customer: true}, assign_to: owner, fall_back_after: 20m}
  - {name: all-west, match: {region: [West, nowhere]}, assign_to: group:all}
  - {name: east, match: {region: East}, assign_to: group:west}
  - {name: north, match: {created: today}, assign_to: group:east}
"""
CHANGED: list[tuple[str | None, list[str]]] = [
    (None, ["rep.r1.available=no"]),
    (None, ["rep.r5.available=yes", "rep.r2.max_per_day=2"]),
    (None, ["rep.r4.weight=4", "rep.r4.max_open=20", "rep.r4.max_per_day="]),
    (None, ["rep.r3.working_hours=mon-sun 12:00-20:00", "rep.r6.groups=desk;west"]),
    (OTHER_RULES, []),
    (OTHER_RULES, ["rep.r2.available=no", "defaults.max_open=4"]),
]


@dataclass
class Twins:
    """Two tenants to whom the same happens at the same time, each with a router that is always there."""

    first: Tenancy
    second: Tenancy
    connections: Connections
    rng: random.Random
    now: datetime = START
    number: int = 0
    returned: set[str] = field(default_factory=set)

    async def live(self, steps: int) -> None:
        """Leads arrive, assignments end that both tenants have, one rep's availability flips."""
        for step in range(steps):
            await self._pass(timedelta(minutes=self.rng.choice((3, 20, 70, 200, 500))))
            await self._end_some()
            if step == steps // 2:
                await self._flip()
            await self._arrive()
            await self._settle()

    async def _pass(self, span: timedelta) -> None:
        """Time passes, and routers come whenever the lane says that they should."""
        until = self.now + span
        for tenant in (self.first, self.second):
            for _ in range(1000):
                at = await tenant.conn.fetchval("select next_visit_at from lane where tenant_id = $1", tenant.tenant_id)
                if at is None or at >= until:
                    break
                await settle(a_drain(self.connections, ready=READY), tenant.tenant_id, max(at, self.now))
        self.now = until

    async def _arrive(self) -> None:
        leads = []
        for _ in range(self.rng.choice((1, 4, 9))):
            self.number += 1
            leads.append(
                lead(
                    self.number,
                    created_at=self.now - timedelta(minutes=self.rng.choice((0, 30, 1500))),
                    region=self.rng.choice(("East", "West", "North", "nowhere")),
                    declared_customer=self.rng.choice((None, f"c{self.rng.randint(1, 8)}")),
                    product=f"p{self.number}",
                    priority=self.rng.choice((0, 0, 5)),
                )
            )
        for tenant in (self.first, self.second):
            await tenant.accept(leads, self.now)

    async def _end_some(self) -> None:
        mine, theirs = await assigned(self.first), await assigned(self.second)
        both = sorted(mine.keys() & theirs.keys())
        for name in self.rng.sample(both, min(len(both), self.rng.choice((0, 2, 5)))):
            how = self.rng.choice((Ending.WON, Ending.LOST, Ending.RETURNED))
            for tenant, leads in ((self.first, mine), (self.second, theirs)):
                await end(tenant.conn, tenant.tenant_id, leads[name][0], how, self.now)

    async def _flip(self) -> None:
        for tenant in (self.first, self.second):
            values = {"available": read_field("available", "no"), "max_open": read_field("max_open", "5")}
            await set_rep(tenant.conn, tenant.tenant_id, "r6", values, "test")

    async def _settle(self) -> None:
        for tenant in (self.first, self.second):
            await settle(a_drain(self.connections, ready=READY), tenant.tenant_id, self.now)


async def assigned(tenant: Tenancy) -> dict[str, tuple[int, str]]:
    """(lead id, rep id) of what is assigned now, by external id."""
    rows = await tenant.conn.fetch(
        """select l.external_id, a.lead_id, r.rep_id from assignment a join lead l using (tenant_id, lead_id)
             join rep r using (tenant_id, rep_no) where tenant_id = $1""",
        tenant.tenant_id,
    )
    return {row[0]: (row[1], row[2]) for row in rows}


async def given(tenant: Tenancy) -> dict[str, int]:
    """How many leads each rep was given, those that ended included."""
    rows = await tenant.conn.fetch(
        """select r.rep_id, count(*) from (
                  select rep_no from assignment where tenant_id = $1
                  union all select rep_no from assignment_history where tenant_id = $1) a
             join rep r on r.tenant_id = $1 and r.rep_no = a.rep_no group by 1""",
        tenant.tenant_id,
    )
    return {row[0]: row[1] for row in rows}


async def twins(
    conn: asyncpg.Connection, connections: Connections, seed: int, rules: str | None, overrides: list[Override]
) -> Twins:
    first = await make_tenant(conn, reps_csv(REPS, HEADER), RULES, name="first")
    second = await make_tenant(conn, reps_csv(REPS, HEADER), with_defaults(rules or RULES, overrides), name="second")
    for one in overrides:
        if one.rep_id is not None:
            await set_rep(conn, second.tenant_id, one.rep_id, {one.field: one.value}, "test")
    return Twins(first, second, connections, random.Random(seed))


def with_defaults(rules: str, overrides: list[Override]) -> str:
    caps = {one.field: one.value for one in overrides if one.rep_id is None}
    return rules if not caps else rules.replace("max_open: 6", f"max_open: {caps['max_open']}")


async def replayed(
    conn: asyncpg.Connection, tenant: str, rules: RulesFile | None, overrides: list[Override]
) -> Replayed:
    found = await tenant_named(conn, tenant)
    return await replay(conn, found, Changes(rules, overrides), request=BatchRequest(ready=READY))


@pytest.mark.parametrize("seed", [2])
@pytest.mark.parametrize("changed", range(len(CHANGED)))
async def test_a_replay_gives_every_lead_to_whom_routing_it_under_the_changes_gives_it(
    conn: asyncpg.Connection, connections: Connections, changed: int, seed: int
) -> None:
    rules, texts = CHANGED[changed]
    overrides = [read_override(text) for text in texts]
    world = await twins(conn, connections, seed, rules, overrides)
    await world.live(30)
    found = await replayed(conn, "first", read_rules(rules, "rules") if rules else None, overrides)
    names = {no: rep_id for no, (rep_id, _) in found.reps.items()}
    sums = found.simulation.after.reps
    assert {names[no]: leads for no, leads in sums.items()} == await given(world.second)
    assert {names[no]: n for no, n in found.simulation.before.reps.items()} == await given(world.first)
    mine, theirs = await assigned(world.first), await assigned(world.second)
    expected = {name: rep for name, (_, rep) in mine.items()}
    external = {
        row[0]: row[1]
        for row in await conn.fetch("select lead_id, external_id from lead where tenant_id = $1", world.first.tenant_id)
    }
    for lead_id, place in found.simulation.places:
        name = external[lead_id]
        if isinstance(place.after, Given):
            expected[name] = names[place.after.rep_no]
        else:
            expected.pop(name, None)
    ended = {row[0] for row in await conn.fetch("select external_id from closed join lead using (tenant_id, lead_id)")}
    open_there = {name: rep for name, rep in expected.items() if name not in ended}
    assert open_there == {name: rep for name, (_, rep) in theirs.items()}
    waiting = sum(isinstance(place.after, Waits) for _, place in found.simulation.places)
    assert waiting == (await world.second.states())["waiting"] == sum(found.waiting_after.values())
    assert changes_by_kind(found).total() > 0


@pytest.mark.parametrize("seed", [3, 4])
async def test_the_same_rules_again_make_no_difference(
    conn: asyncpg.Connection, connections: Connections, seed: int
) -> None:
    world = await twins(conn, connections, seed, None, [])
    await world.live(30)
    found = await replayed(conn, "first", read_rules(RULES, "rules"), [])
    assert changes_by_kind(found).total() == 0
    assert found.simulation.before.reps == found.simulation.after.reps
    assert found.simulation.before.daily_caps == found.simulation.after.daily_caps
    assert found.waiting_before == found.waiting_after
    rows = await conn.fetch("select rep_no, open from rep_load where tenant_id = $1", world.first.tenant_id)
    assert {row[0]: row[1] for row in rows} == {
        row[0]: int(found.simulation.lane.loads.open_counts[row[0]]) for row in rows
    }


async def test_busy_hours_with_gifts_new_rules_new_reps_and_a_pause_run_again_alike(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    busy = await make_busy(conn, connections)
    tenant = await tenant_named(conn, "acme")
    await pause(conn, tenant, timedelta(minutes=5), "lee", "stocktaking")
    await resume(conn, tenant, "lee", "done")
    await settle(a_drain(connections), busy.tenant.tenant_id, busy.now + timedelta(hours=1))
    span = await span_of(conn, tenant.tenant_id, None, None)
    assert span is not None
    [(begin, until)] = await pauses(conn, replace(span, last_at=datetime.now(UTC) + timedelta(hours=1)))
    assert timedelta(0) < until - begin < timedelta(minutes=5), "the pause lasted until it was ended"
    found = await verify(conn, tenant)
    assert found.ok and not found.skipped.count
    assert found.batches == await conn.fetchval("select count(*) from flight") > 20
    assert await conn.fetchval("select count(*) from flight where kind = 'hand'") > 0


@pytest.mark.parametrize("seed", [11, 12])
async def test_a_random_life_beside_lockers_runs_again_alike_and_can_be_replayed(
    conn: asyncpg.Connection, connections: Connections, seed: int
) -> None:
    life = await Simulation.begin(conn, connections, seed)
    for _ in range(25):
        await life.step()
        await life.settle()
    tenant = await tenant_named(conn, "acme")
    found = await verify(conn, tenant)
    assert found.ok and found.batches > 10 and not found.skipped.count
    changed = await replay(conn, tenant, Changes(None, [read_override("rep.r1.active=no")]))
    gone = next(no for no, (rep_id, _) in changed.reps.items() if rep_id == "r1")
    assert changed.simulation.after.reps[gone] == 0


@pytest.fixture
async def small(conn: asyncpg.Connection, connections: Connections) -> Tenancy:
    """Two reps, three batches, the caps reached in the last."""
    tenant = await make_tenant(conn, reps_csv(["r1,=Ann,yes,UTC,all,7,", "r2,波,yes,UTC,all,8,"]))
    for batch in range(4):
        now = START + timedelta(minutes=10 * batch)
        await tenant.accept([lead(5 * batch + i) for i in range(5)], now)
        await settle(a_drain(connections, ready=5), tenant.tenant_id, now)
    return tenant


async def test_the_command_shows_the_difference_writes_files_and_nothing_else(
    small: Tenancy, database_url: str, tmp_path: Path
) -> None:
    command = CommandLine(replay_, database_url)
    table, picture = tmp_path / "differences.csv", tmp_path / "reps.svg"
    arguments = ("--tenant", "acme", "--set", "rep.r2.max_open=20")
    result = await command.run(*arguments, "--csv", str(table), "--svg", str(picture))
    assert result.exit_code == 0, result.output
    assert "5 leads would be elsewhere" in result.output and "newly assigned: 5" in result.output
    rows = list(csv.DictReader(table.read_text(encoding="utf-8-sig").splitlines()))
    assert len(rows) == 5 and {row["after_rep"] for row in rows} == {"r2"}
    assert "波" in picture.read_text(encoding="utf-8")
    document = await command.json(*arguments)
    assert document["different_leads"] == 5 and document["not_run"]["batches"] == 0
    assert {row["name"]: row["difference"] for row in document["reps"]} == {"r1": 0, "r2": 5}
    assert document["waiting_at_end"] == [
        {"name": "all_at_open_cap", "before": 5, "after": 0, "label": "", "difference": -5}
    ]
    assert {row["name"]: (row["before"], row["after"]) for row in document["caps_hit"]["max_open"]} == {
        "r1": (1, 1),
        "r2": (1, 0),
    }


@pytest.mark.parametrize(
    ("table", "picture", "said"),
    [
        ("old.csv", "new.svg", "there already"),
        ("one", "./one", "named twice"),
        ("new.csv", "no/new.svg", "cannot write"),
    ],
)
async def test_no_file_is_lost_and_none_is_half_written(
    small: Tenancy,
    database_url: str,
    tmp_path: Path,
    table: str,
    picture: str,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ops.cli.replay.replay", None)  # Never reached: refused before the work.
    monkeypatch.chdir(tmp_path)
    Path("old.csv").write_text("mine", encoding="utf-8")
    arguments = ("--tenant", "acme", "--set", "rep.r2.max_open=20", "--csv", table, "--svg", picture)
    result = await CommandLine(replay_, database_url).run(*arguments)
    assert result.exit_code == 2 and said in result.output
    assert [one.name for one in tmp_path.iterdir()] == ["old.csv"]
    assert Path("old.csv").read_text(encoding="utf-8") == "mine"


async def test_a_replay_that_fails_leaves_no_file(
    small: Tenancy, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ops.cli.replay_output.write_rows", full)
    table = tmp_path / "new.csv"
    arguments = ("--tenant", "acme", "--set", "rep.r2.max_open=20", "--csv", str(table))
    result = await CommandLine(replay_, database_url).run(*arguments)
    assert result.exit_code == 2 and f"cannot write {table}: No space left on device" in result.output
    assert not list(tmp_path.iterdir())


async def test_a_replay_could_not_write_if_it_wanted_to(conn: asyncpg.Connection) -> None:
    async with snapshot(conn):
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await conn.execute("delete from flight")


async def test_verify_names_the_batches_that_differ_and_those_it_cannot_run(small: Tenancy, database_url: str) -> None:
    command = CommandLine(replay_, database_url)
    arguments = ("--tenant", "acme", "--verify")
    assert "no difference" in (await command.run(*arguments)).output
    stored = await small.conn.fetchval("select inputs from flight where batch_no = 2")
    await small.conn.execute(
        "update flight set inputs = $1 where batch_no = 2", encode(msgspec.structs.replace(decode(stored), engine=0))
    )
    await small.conn.execute("delete from flight where batch_no = 1")
    document = await command.json(*arguments, code=1)
    assert (document["ok"], document["result"], document["batches"]) == (False, "not_all_checked", 2)
    assert [one["batch"] for one in document["not_run"]["first"]] == [2]
    result = await command.run(*arguments)
    assert result.exit_code == 1 and "not all could be checked" in result.output and "OK" not in result.output
    await small.conn.execute("update rep_row set weight_milli = 9000 where name = '波'")
    result = await command.run(*arguments)
    assert result.exit_code == 1
    assert "in batches 3" in result.output and "engine version 0" in result.output
    document = await command.json(*arguments, code=1)
    assert document["differing_batches"] == [3] and document["differences"] > 0
    await small.conn.execute("delete from flight where batch_no = 2")
    await small.conn.execute("update flight set inputs = '\\x00' where batch_no = 3")
    document = await command.json(*arguments, code=1)
    assert "cannot be read" in document["not_run"]["first"][0]["why"]
    await small.conn.execute("update flight set inputs = '\\x00'")
    document = await command.json(*arguments, code=1)
    assert (document["ok"], document["result"], document["batches"]) == (False, "nothing_checked", 0)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "say what to change"),
        (("--verify", "--set", "rep.r1.available=no"), "--verify changes nothing"),
        (("--set", "rep.r1.colour=red"), "valid: available"),
        (("--set", "rep.r9.available=no"), "there is no rep 'r9'"),
        (("--set", "rep.r1.groups=nowhere"), "there is no group 'nowhere' (there are: all)"),
        (("--rules", "missing.yaml"), "missing.yaml"),
        (("--set", "rep.r1.available=no", "--since", "2026-03-02T00:00Z", "--until", "2026-03-01T00:00Z"), "before"),
        (("--set", "rep.r1.available=no", "--csv", "/nowhere/at/all.csv"), "/nowhere/at/all.csv"),
    ],
)
async def test_what_cannot_be_replayed_is_said(
    small: Tenancy, database_url: str, arguments: tuple[str, ...], said: str
) -> None:
    result = await CommandLine(replay_, database_url).run("--tenant", "acme", *arguments)
    assert result.exit_code == 2
    assert said in result.output


async def test_a_time_without_batches_is_said_and_never_verified(small: Tenancy, database_url: str) -> None:
    command, until = CommandLine(replay_, database_url), ("--until", "2020-01-01T00:00Z")
    result = await command.run("--tenant", "acme", "--set", "rep.r1.available=no", *until)
    assert (result.exit_code, result.output) == (0, "there are no recorded batches in this time\n")
    result = await command.run("--tenant", "acme", "--verify", *until)
    assert (result.exit_code, result.output) == (
        1,
        "nothing was checked: there are no recorded batches in this time\n",
    )
    document = await command.json("--tenant", "acme", "--verify", *until, code=1)
    assert (document["ok"], document["result"]) == (False, "nothing_checked")


async def test_a_part_of_the_time_begins_with_the_loads_of_then(small: Tenancy) -> None:
    """A rep of whom the part's records do not tell has the leads of before all the same."""
    tenant = await tenant_named(small.conn, "acme")
    changes = Changes(None, [read_override("rep.r2.available=no")])
    found = await replay(small.conn, tenant, changes, since=START + timedelta(minutes=10))
    r1 = next(no for no, (rep_id, _) in found.reps.items() if rep_id == "r1")
    given_before = await small.conn.fetchval("select count(*) from assignment where rep_no = $1 and batch_no = 1", r1)
    assert found.simulation.after.reps[r1] == 7 - given_before
    assert found.waiting_after["all_at_open_cap"] == 15 - (7 - given_before)


async def test_leads_that_waited_before_a_part_of_the_time_are_told(
    small: Tenancy, connections: Connections, database_url: str
) -> None:
    now = START + timedelta(hours=1)
    await small.accept([lead(20)], now)
    await settle(a_drain(connections, ready=5), small.tenant_id, now)
    command, change = CommandLine(replay_, database_url), ("--tenant", "acme", "--set", "rep.r1.weight=2")
    document = await command.json(*change, "--since", now.isoformat())
    assert document["waited_before"] == {"waiting_now": 5, "from_the_start": 5}
    assert "from the start there are those not tried since: 5 leads" in document["notes"][-1]
    assert "waiting now: 5 leads" in (await command.run(*change, "--since", now.isoformat())).output
    assert len((await command.json(*change))["notes"]) == 2


async def test_what_ends_in_the_moment_of_its_batch_ends_after_it(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    """As in data with a clock of hours: the batch and the ending carry the same time."""
    tenant = await make_tenant(conn, reps_csv(REPS, HEADER), RULES)
    drain, number = a_drain(connections, ready=READY), 0
    for hour in range(12):
        now = START + timedelta(hours=hour)
        leads = [lead(number + i, region=("East", "West", "North")[i % 3], created_at=now) for i in range(4)]
        number += len(leads)
        await tenant.accept(leads, now)
        await settle(drain, tenant.tenant_id, now)
        rows = await conn.fetch("select lead_id from assignment order by lead_id desc limit 3")
        for row, how in zip(rows, (Ending.RETURNED, Ending.WON, Ending.RETURNED), strict=False):
            await end(conn, tenant.tenant_id, row["lead_id"], how, now)
    found = await replay(
        conn,
        await tenant_named(conn, "acme"),
        Changes(read_rules(RULES, "rules"), []),
        request=BatchRequest(ready=READY),
    )
    assert await conn.fetchval("select count(*) from assignment_history where outcome = 'returned'") > 15
    assert not [place for _, place in found.simulation.places if place.before != place.after]
    assert found.simulation.before.reps == found.simulation.after.reps
