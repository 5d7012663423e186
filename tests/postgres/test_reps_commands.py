"""`reps list`, `show`, `set`, `history` and `rollback` as a sales manager types them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from ops.cli.commands import reps as reps_command
from router.domain.rep_fields import READERS
from router.store.connections.connections import Connections
from tests.command_line import CommandLine
from tests.world import Tenancy, a_drain, lead, make_tenant, reps_csv, settle

HEADER = "rep_id,name,available,time_zone,groups,max_open,max_per_day,weight,working_hours"
REPS = [
    "cn01,Li Lei,yes,Asia/Shanghai,cn,10,5,1,",
    "cn02,Wang Fang,yes,Asia/Shanghai,cn,,,3,always",
    "de01,Anna,no,Europe/Berlin,de,,,1,mon-fri 09:00-18:00",
]
RULES = """
calendar: {working_hours: {mon-sun: "00:00-24:00"}}
defaults: {max_open: 200}
rules:
  - {name: all, match: {}, assign_to: "group:cn"}
"""


@pytest.fixture
async def tenant(conn: asyncpg.Connection) -> Tenancy:
    return await make_tenant(conn, reps_csv(REPS, HEADER), RULES, zone="Asia/Shanghai")


@pytest.fixture
def command(database_url: str) -> CommandLine:
    return CommandLine(reps_command, database_url)


async def output(command: CommandLine, *arguments: str, code: int = 0) -> str:
    result = await command.run(*arguments, "--tenant", "acme")
    assert result.exit_code == code, (result.output, result.exception)
    return " ".join(result.output.split())


async def test_the_list_shows_loads_against_caps_duty_hours_and_share(
    tenant: Tenancy, command: CommandLine, connections: Connections
) -> None:
    await tenant.accept(lead(number) for number in range(8))
    await settle(a_drain(connections), tenant.tenant_id)
    first, second, third = await command.json("list", "--tenant", "acme")
    assert (first["now"]["open_leads"], first["now"]["max_open"], first["now"]["max_per_day"]) == (2, 10, 5)
    assert (second["now"]["open_leads"], second["now"]["max_open"], second["now"]["max_per_day"]) == (6, 200, None)
    assert [one["now"]["received"] for one in (first, second, third)] == [2, 6, 0]
    assert [one["now"]["due_by_weight"] for one in (first, second, third)] == [2.0, 6.0, 0.0]
    assert (first["now"]["hours"], first["now"]["hours_from"]) == ("always", "rules")
    assert (second["now"]["hours"], second["now"]["hours_from"]) == ("always", "rep")
    assert (third["now"]["standing"], third["now"]["next_on_duty_at"]) == ("unavailable", None)
    listed = await output(command, "list")
    assert "cn01 Li Lei cn now 2/10 2/5 1 2/2.0 always (rules) Asia/Shanghai -" in listed
    assert "de01 Anna de no: unavailable 0/200 0 1 0/0.0 mon-fri 09:00-18:00 Europe/Berlin -" in listed


async def test_one_rep_is_shown_with_the_next_hours_in_the_tenants_zone_and_the_leave_to_come(
    tenant: Tenancy, command: CommandLine
) -> None:
    day = datetime.now(UTC).date()
    week = f"{day - timedelta(days=40)}; {day - timedelta(days=1)}..{day + timedelta(days=9)}"
    await output(command, "set", "de01", "--available", "yes", "--leave", week)
    shown = await command.json("show", "de01", "--tenant", "acme")
    assert shown["now"]["standing"] == "on_leave" and not shown["now"]["on_duty"]
    assert shown["now"]["leave"] == f"{day - timedelta(days=1)}..{day + timedelta(days=9)}"
    begins = datetime.fromisoformat(shown["now"]["next_on_duty_at"])
    assert begins.date() >= day + timedelta(days=9) and begins.hour in (7, 8) and begins.weekday() < 5
    text = await output(command, "show", "de01")
    assert "Asia/Shanghai (on leave now)" in text and "time zone: Europe/Berlin" in text
    assert "did you mean" in await output(command, "show", "de1", code=2)


async def test_the_zone_and_the_holidays_in_force_are_shown_beside_the_hours_of_a_group(
    conn: asyncpg.Connection, command: CommandLine
) -> None:
    header = "rep_id,name,time_zone,groups,holidays"
    rows = ["a1,Ann,,de,", "b1,Bob,,cn,", "c1,Cid,,de,none", "d1,Dan,America/New_York,de,US"]
    rules = """
calendar: {country: CN, working_hours: {mon-fri: "09:00-18:00"}}
groups:
  de: {time_zone: Europe/Berlin, calendar: {country: DE-BY, working_hours: {mon-fri: "08:00-16:00"}}}
rules:
  - {name: all, match: {}, assign_to: "group:cn"}
  - {name: de, match: {region: x}, assign_to: "group:de"}
"""
    await make_tenant(conn, reps_csv(rows, header), rules, zone="Asia/Shanghai")
    reps = await command.json("list", "--tenant", "acme")
    assert [(one["now"]["time_zone"], one["now"]["holidays"]) for one in reps] == [
        ("Europe/Berlin", "DE-BY"),
        ("Asia/Shanghai", "CN"),
        ("Europe/Berlin", None),
        ("America/New_York", "US"),
    ]
    assert reps[0]["time_zone"] == "Asia/Shanghai"
    shown = await output(command, "show", "a1")
    assert "working hours: mon-fri 08:00-16:00 (rules)" in shown
    assert "time zone: Europe/Berlin (rules; in the roster: Asia/Shanghai)" in shown
    assert "holidays: as the rules say (DE-BY)" in shown
    assert "holidays: as the rules say (CN)" in await output(command, "show", "b1")
    assert "holidays: none" in await output(command, "show", "c1")
    own = await output(command, "show", "d1")
    assert "time zone: America/New_York leave" in own or "time zone: America/New_York holidays: US" in own
    listed = await output(command, "list")
    assert "Europe/Berlin (rules)" in listed and "CN (rules)" in listed and "US" in listed


async def test_reps_are_listed_before_there_are_rules(conn: asyncpg.Connection, command: CommandLine) -> None:
    made = await make_tenant(conn, reps_csv(REPS, HEADER), RULES, zone="Asia/Shanghai")
    await conn.execute("update tenant set ruleset = 0 where tenant_id = $1", made.tenant_id)
    first, *_ = await command.json("list", "--tenant", "acme")
    assert (first["now"]["hours"], first["now"]["hours_from"], first["now"]["max_open"]) == ("always", "none", 10)


async def test_every_field_can_be_set(tenant: Tenancy, command: CommandLine) -> None:
    values = {
        "name": "Anna S.",
        "active": "yes",
        "available": "yes",
        "time_zone": "Europe/Vienna",
        "working_hours": "mon-thu 08:00-16:00",
        "holidays": "AT",
        "leave": "2026-12-24",
        "groups": "de; fair",
        "regions": "Berlin; Hamburg",
        "industries": "medical",
        "weight": "2.5",
        "max_open": "7",
        "max_per_day": "3",
        "manager_id": "m1",
        "team": "north",
        "email": "anna@example.com",
        "mobile": "+491701234567",
        "wecom_user_id": "w1",
        "dingtalk_user_id": "d1",
        "feishu_user_id": "f1",
    }
    assert values.keys() == READERS.keys() - {"rep_id"}, "a field without an option"
    options = [part for name, value in values.items() for part in (f"--{name.replace('_', '-')}", value)]
    dry = await command.json("set", "de01", "--tenant", "acme", "--dry-run", *options)
    assert dry["dry_run"] and dry["version"] == dry["previous"] == 1
    assert (await command.json("show", "de01", "--tenant", "acme"))["name"] == "Anna"
    done = await command.json("set", "de01", "--tenant", "acme", *options)
    assert done["changed"][0]["fields"] == dry["changed"][0]["fields"]
    shown = await command.json("show", "de01", "--tenant", "acme")
    assert (shown["time_zone"], shown["regions"], shown["weight"]) == ("Europe/Vienna", ["Berlin", "Hamburg"], 2.5)
    assert (shown["email"], shown["feishu_user_id"], shown["team"]) == ("anna@example.com", "f1", "north")
    assert "--time-zone" in await output(command, "set", "de01", "--time-zone", "Europe/Atlantis", code=2)


@pytest.mark.parametrize("away", [("--available", "no"), ("--active", "no"), ("--leave", "2030-01-01..2030-01-05")])
async def test_who_goes_away_keeps_leads_and_the_command_that_hands_them_over_is_named(
    tenant: Tenancy, command: CommandLine, connections: Connections, away: tuple[str, str]
) -> None:
    await tenant.accept(lead(number) for number in range(8))
    await settle(a_drain(connections), tenant.tenant_id)
    handover = "lead-router handover --from=cn02 --tenant acme --by-rules"
    planned = await output(command, "set", "cn02", *away, "--dry-run")
    assert f"rep cn02 would keep 6 open leads; to hand them over: {handover}" in planned
    done = await command.json("set", "cn02", *away, "--tenant", "acme")
    assert done["open_leads_left"] == [{"rep_id": "cn02", "open_leads": 6, "command": handover}]
    back = await command.json("set", "cn02", "--available", "yes", "--active", "yes", "--leave", "", "--tenant", "acme")
    assert back["open_leads_left"] == []


async def test_a_new_hire_in_another_zone_without_hours_is_reported(
    tenant: Tenancy, command: CommandLine, tmp_path: Path
) -> None:
    file = tmp_path / "new.csv"
    file.write_text("rep_id,time_zone,groups\nde07,Europe/Berlin,de\ncn07,Asia/Shanghai,cn\n", encoding="utf-8")
    hired = await command.json("import", str(file), "--tenant", "acme")
    assert hired["always_on_duty"] == [], "the rules have hours"
    await tenant.rules('rules:\n  - {name: all, match: {}, assign_to: "group:cn"}\n')
    file.write_text("rep_id,time_zone,groups\nde08,Europe/Berlin,de\ncn08,Asia/Shanghai,cn\n", encoding="utf-8")
    told = await output(command, "import", str(file))
    assert "no working hours for 1 rep in Europe/Berlin (de08), so on duty always, day and night" in told
    assert "reps set de08 --tenant acme --working-hours" in told
    moved = await command.json("set", "cn08", "--time-zone", "America/New_York", "--tenant", "acme")
    assert moved["always_on_duty"] == ["cn08"]
    assert "de08 de08 de now" in await output(command, "list")
    assert "always Europe/Berlin" in await output(command, "list")


async def test_the_history_says_who_changed_what(tenant: Tenancy, command: CommandLine) -> None:
    await output(command, "set", "cn01", "--weight", "2", "--author", "lee", "--note", "more for Li Lei")
    await output(command, "set", "cn02", "--max-open", "9", "--author", "kim")
    last, before, first = await command.json("history", "--tenant", "acme")
    assert (last["version"], last["author"], last["changed"], last["in_force"]) == (3, "kim", 1, True)
    assert (before["note"], before["added"], before["changed"], before["in_force"]) == ("more for Li Lei", 0, 1, False)
    assert (first["version"], first["added"], first["changed"]) == (1, 3, 0)
    of_rep = await command.json("history", "--rep", "cn01", "--tenant", "acme")
    assert [(one["version"], one["fields"]) for one in of_rep] == [(2, {"weight": {"old": 1, "new": 2}}), (1, None)]
    version = await command.json("history", "--version", "3", "--tenant", "acme")
    assert version["changed"] == [{"rep_id": "cn02", "fields": {"max_open": {"old": None, "new": 9}}}]
    text = await output(command, "history", "--limit", "1")
    assert "3 2" in text and "Asia/Shanghai kim: 1 rep changed, active" in text and "there are more" in text
    assert "weight: 1 → 2" in await output(command, "history", "--rep", "cn01")
    assert "rep cn02: max_open: - → 9" in await output(command, "history", "--version", "3")
    assert "versions go from 1 to 3" in await output(command, "history", "--version", "4", code=2)
    assert "there is no rep" in await output(command, "history", "--rep", "cn99", code=2)


async def test_a_rollback_makes_the_reps_what_they_were_and_can_itself_be_rolled_back(
    tenant: Tenancy, command: CommandLine, tmp_path: Path
) -> None:
    then = await command.json("list", "--tenant", "acme")
    await output(command, "set", "cn01", "--groups", "de", "--weight", "5", "--holidays", "DE-BY")
    file = tmp_path / "new.csv"
    file.write_text("rep_id,groups\ncn09,cn\n", encoding="utf-8")
    await output(command, "import", str(file))
    wrong = await command.json("list", "--tenant", "acme")
    dry = await command.json("rollback", "--to", "1", "--dry-run", "--tenant", "acme")
    assert dry["version"] == dry["previous"] == 3
    assert await command.json("list", "--tenant", "acme") == wrong
    done = await command.json("rollback", "--to", "1", "--tenant", "acme")
    assert (done["version"], done["previous"], done["back_to"]) == (4, 3, 1)
    assert done["changed"] == dry["changed"]
    now = await command.json("list", "--tenant", "acme")
    assert now[:3] == then and (now[3]["rep_id"], now[3]["active"]) == ("cn09", False)
    assert (await command.json("history", "--tenant", "acme"))[0]["note"] == "back to version 1"
    assert "back to version 3; nothing was written" in await output(command, "rollback", "--dry-run")
    assert "back to version 3; roster version 5 is now active" in await output(command, "rollback")
    assert await command.json("list", "--tenant", "acme") == wrong
    assert "version 5 is unchanged" in await output(command, "rollback", "--to", "5")


async def test_a_rollback_that_would_leave_nobody_available_is_refused(tenant: Tenancy, command: CommandLine) -> None:
    assert "no version before the active one" in await output(command, "rollback", code=2)
    for rep in ("cn01", "cn02"):
        await output(command, "set", rep, "--available", "no", "--anyway")
    await output(command, "set", "cn01", "--available", "yes")
    refused = await output(command, "rollback", "--to", "3", code=1)
    assert "nothing was changed" in refused and "--anyway" in refused
    assert (await command.json("history", "--tenant", "acme"))[0]["version"] == 4
    assert "versions go from 1 to 4" in await output(command, "rollback", "--to", "9", code=2)
    await output(command, "rollback", "--to", "3", "--anyway")
    assert [rep["available"] for rep in await command.json("list", "--tenant", "acme")] == [False, False, False]
