"""`why --rep` and `--what-would-it-take`: what is printed, run as printed, does what it says."""

import io
import shlex
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from rich.console import Console

from ops.cli.doctor import doctor
from ops.cli.explanation import rendered
from ops.cli.park import park
from ops.cli.pause import pause
from ops.cli.reps import set_
from ops.cli.why import why as why_command
from ops.text.translation import ENGLISH
from ops.why.change import Kind, Now
from ops.why.collect import why
from ops.why.document import document
from ops.why.text import describe
from ops.why.what_it_takes import LIMIT, WhatItTakes, what_it_takes
from router.store.assignments import Ending, FoundLead
from router.store.connections.connections import Connections
from tests.command_line import CommandLine
from tests.why_cases import ALL, NOW, World, some
from tests.world import Tenancy, a_drain, make_tenant, reps_csv, settle

HEADER = "rep_id,name,available,active,time_zone,groups,max_open,max_per_day,weight,working_hours,leave"
RULE = '{name: one, match: {}, assign_to: "group:one", on_no_candidate: wait}'
RULES = f"rules:\n  - {RULE}\n"
AS_SET = {
    Kind.AVAILABLE: "r1,Ann,no,yes,UTC,one,,,1,,",
    Kind.MAX_PER_DAY: "r1,Ann,yes,yes,UTC,one,,0,1,,",
    Kind.MAX_OPEN: "r1,Ann,yes,yes,UTC,one,0,,1,,",
    Kind.WORKING_HOURS: "r1,Ann,yes,yes,Asia/Shanghai,one,,,1,tue-fri 09:00-18:00,",
    Kind.GROUPS: "r1,Ann,yes,yes,UTC,two;other words,,,1,,",
    Kind.LEAVE: "r1,Ann,yes,yes,UTC,one,,,1,,2026-03-01..2026-03-04; 2026-12-24",
    Kind.WEIGHT: "r1,Ann,yes,yes,UTC,one,,,0,,",
    Kind.ACTIVE: "r1,Ann,yes,no,UTC,one,,,1,,",
}


async def waiting(
    conn: asyncpg.Connection, connections: Connections, reps: list[str], rules: str = RULES, *, region: str = "Hangzhou"
) -> tuple[Tenancy, FoundLead]:
    """A lead that nobody could take."""
    tenant = await make_tenant(conn, reps_csv(reps, HEADER), rules)
    accepted = await tenant.accept([some(1, region)], NOW)
    await settle(a_drain(connections), tenant.tenant_id, NOW)
    return tenant, FoundLead(tenant.tenant_id, accepted.lead_ids[0])


async def changes(conn: asyncpg.Connection, lead: FoundLead) -> list[dict[str, Any]]:
    told = document(await why(conn, lead, now=NOW, most_changes=LIMIT))["what_would_it_take"]
    found: list[dict[str, Any]] = told["changes"]
    return found


async def owner_of(tenant: Tenancy, connections: Connections) -> str | None:
    """Who has the lead after the next batches."""
    await settle(a_drain(connections), tenant.tenant_id, NOW)
    counts = await tenant.counts()
    return next(iter(counts), None)


@pytest.mark.parametrize("kind", AS_SET)
async def test_the_printed_command_run_as_printed_gives_the_lead_to_the_rep_that_was_named(
    kind: Kind, conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    tenant, lead = await waiting(conn, connections, [AS_SET[kind]])
    first = (await changes(conn, lead))[0]
    assert first["kind"] == kind and first["gets_it"]["rep_id"] == "r1" == first["rep_id"]
    (command,) = first["commands"]
    words = shlex.split(command)
    assert words[:3] == ["lead-router", "reps", "set"]
    assert await owner_of(tenant, connections) is None
    done = await CommandLine(set_, database_url).run(*words[3:])
    assert done.exit_code == 0, done.output
    assert await owner_of(tenant, connections) == "r1"


FREE = "r1,Ann,yes,yes,UTC,one,,,1,,"


@pytest.mark.parametrize(
    ("before", "told", "after"),
    [
        (
            '{name: one, match: {region: [Beijing]}, assign_to: "group:one"}',
            ("condition", "region", "add", "hangzhou"),
            '{name: one, match: {region: [Beijing, hangzhou]}, assign_to: "group:one"}',
        ),
        (
            '{name: one, match: {priority: {from: 3}}, assign_to: "group:one"}',
            ("condition", "priority", "from", "0"),
            '{name: one, match: {priority: {from: 0}}, assign_to: "group:one"}',
        ),
        (
            '{name: one, match: {known_customer: true}, assign_to: "group:one"}',
            ("condition", "known_customer", "drop", None),
            '{name: one, match: {}, assign_to: "group:one"}',
        ),
        (
            '{name: one, match: {}, assign_to: "group:one", window: {mon: "04:00-05:00"}}',
            ("window", "window", None, "mon 02:00-05:00"),
            '{name: one, match: {}, assign_to: "group:one", window: "mon 02:00-05:00"}',
        ),
        (
            '{name: none, match: {}, assign_to: "group:none", on_no_candidate: wait}\n'
            '  - {name: one, match: {}, assign_to: "group:one"}',
            ("on_no_candidate", "on_no_candidate", None, "next"),
            '{name: none, match: {}, assign_to: "group:none", on_no_candidate: next}\n'
            '  - {name: one, match: {}, assign_to: "group:one"}',
        ),
    ],
)
async def test_the_named_edit_of_a_rule_places_the_lead(
    before: str,
    told: tuple[str, ...],
    after: str,
    conn: asyncpg.Connection,
    connections: Connections,
) -> None:
    tenant, lead = await waiting(conn, connections, [FREE], f"rules:\n  - {before}\n")
    named = [(one["kind"], one.get("field"), one.get("widening"), one["value"]) for one in await changes(conn, lead)]
    assert told in named
    assert await owner_of(tenant, connections) is None
    await tenant.rules(f"rules:\n  - {after}\n")
    assert await owner_of(tenant, connections) == "r1"


async def test_only_as_many_changes_are_sought_as_are_shown(
    conn: asyncpg.Connection, connections: Connections, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is a decision among all reps."""
    away = [f"r{n},Ann,no,yes,UTC,one,,,1,," for n in (1, 2)]
    _, lead = await waiting(conn, connections, [*away, *(f"r{n},Bo,yes,yes,UTC,one,0,,1,," for n in (3, 4))])
    assert len(await changes(conn, lead)) == 4
    sought = list[int]()

    def noted(now: Now, most: int) -> WhatItTakes:
        sought.append(most)
        return what_it_takes(now, most)

    monkeypatch.setattr("ops.why.collect.what_it_takes", noted)
    plain = await why(conn, lead, now=NOW)
    assert plain.placing is not None and len(plain.placing.takes.suggestions) == 3
    asked = await CommandLine(doctor, database_url).run("--lead", str(lead.lead_id))
    assert f"lead {lead.lead_id}" in asked.output.lower()
    assert (await why(conn, lead, now=NOW, most_changes=0)).placing is None
    assert sought == [3]


async def test_those_who_wait_for_the_same_before_it_are_counted(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant = await make_tenant(conn, reps_csv([AS_SET[Kind.MAX_OPEN]], HEADER), RULES)
    accepted = await tenant.accept([some(number) for number in range(1, 5)], NOW)
    await settle(a_drain(connections), tenant.tenant_id, NOW)
    story = await why(conn, FoundLead(tenant.tenant_id, accepted.lead_ids[3]), now=NOW)
    assert story.placing and story.placing.ahead == 3
    lines = [rendered(part) for part in describe(story, ENGLISH)]
    out = io.StringIO()
    Console(file=out, width=300, color_system=None).print(*lines, sep="\n")
    assert "3 leads that wait for the same are ahead of it and would be placed first" in out.getvalue()


async def test_an_unknown_rep_is_an_error_that_names_similar_ones(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    _, lead = await waiting(conn, connections, ["ann.lee" + FREE[2:], "bob" + FREE[2:]], RULES.replace("one", "none"))
    command = CommandLine(why_command, database_url)
    done = await command.run(str(lead.lead_id), "--rep", "ann.leee")
    assert done.exit_code == 2 and "there is no rep 'ann.leee'; did you mean ann.lee" in done.output
    done = await command.run(str(lead.lead_id), "--rep", "ann.lee")
    assert done.exit_code == 0 and "not a candidate: no rule assigns to this rep (in group one)" in done.output


async def test_the_answer_for_programs_has_the_decision_and_now(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant, lead = await waiting(conn, connections, [AS_SET[Kind.MAX_OPEN], "r2,Bo,yes,yes,UTC,two,,,1,,"])
    await conn.execute("update rep_row set max_open = null")
    told = document(await why(conn, lead, now=NOW, rep_id="r1"))["rep"]
    assert told["rep_id"] == "r1" and told["decision"]["verdict"] == told["now"]["verdict"]
    await tenant.roster(reps_csv([AS_SET[Kind.AVAILABLE], "r2,Bo,yes,yes,UTC,two,,,1,,"], HEADER))
    told = document(await why(conn, lead, now=NOW, rep_id="r1"))["rep"]
    assert told["now"]["verdict"] == "left_out" and not told["now"]["candidate"]
    (rule,) = told["now"]["rules"]
    assert (rule["number"], rule["group"], rule["reached"], rule["left_out"]) == (1, "one", True, ["unavailable"])
    other = document(await why(conn, lead, now=NOW, rep_id="r2"))["rep"]["now"]
    assert other["verdict"] == "no_rule" and other["groups"] == ["two"] and not other["rules"]
    assert other["rules_of_others"][0]["group"]["name"] == "one"


async def test_a_lead_that_nothing_has_to_change_for_says_so_in_every_state(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    command = CommandLine(why_command, database_url)
    _, lead = await waiting(conn, connections, [FREE.replace("yes,yes", "no,yes")])

    async def asked() -> str:
        done = await command.run(str(lead.lead_id), "--what-would-it-take", "--lang", "en")
        assert done.exit_code == 0, done.output
        return " ".join(done.output.split())

    assert "1. r1 Ann becomes available: r1 Ann gets it by rule one, group one" in await asked()
    assert (await CommandLine(pause, database_url).run("acme", "--for", "1h", "--why", "x")).exit_code == 0
    assert "The tenant is paused: lead-router resume acme" in await asked()
    await CommandLine(set_, database_url).run("r1", "--tenant", "acme", "--available", "yes")
    told = (await command.json(str(lead.lead_id), "--what-would-it-take"))["what_would_it_take"]
    assert told["comes_first"] == {"reason": "paused", "command": "lead-router resume acme"}
    assert told["at_once"] is None and not told["changes"]
    await conn.execute("update lane set paused_until = null")
    assert "if its turn came now, r1 Ann gets it by rule one, group one" in await asked()
    assert (await CommandLine(park, database_url).run(str(lead.lead_id), "--why", "x")).exit_code == 0
    assert f"lead-router unpark {lead.lead_id} --why REASON" in await asked()


async def test_assigned_and_closed_leads_need_nothing(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    tenant = await make_tenant(conn, reps_csv([FREE.replace("one", "all")], HEADER), "rules:\n" + ALL)
    world = World(tenant, connections)
    await world.route(some(1))
    command = CommandLine(why_command, database_url)
    number = str(await world.lead_id(1))
    done = await command.run(number, "--what-would-it-take", "--lang", "en")
    assert done.exit_code == 0 and "does not wait: nothing has to change" in done.output
    assert (await command.json(number, "--rep", "r1"))["rep"]["decision"]["verdict"] == "got_it"
    await world.end(1, Ending.LOST, NOW + timedelta(hours=1))
    assert (await command.json(number, "--what-would-it-take"))["what_would_it_take"] is None
