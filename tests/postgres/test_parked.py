"""`lead-router parked`: why leads are parked, since when, and what to type once the cause is fixed."""

import shlex
from datetime import timedelta

import asyncpg
import pytest

from ops.cli.parked import parked as parked_command
from ops.cli.retry import retry
from router.domain.reason import Reason
from tests.command_line import CommandLine
from tests.world import Tenancy, lead, make_tenant, simple_reps


async def park(tenant: Tenancy, reason: Reason, detail: str, first: int, count: int, ago: timedelta) -> list[int]:
    """Leads `first` … that were parked for a reason, so long ago; their numbers."""
    taken = await tenant.accept([lead(number, invalid="x") for number in range(first, first + count)])
    await tenant.conn.execute(
        "update parked set reason = $1, detail = $2, parked_at = clock_timestamp() - $3::interval where detail = 'x'",
        reason.value,
        detail,
        ago,
    )
    return list(taken.lead_ids)


@pytest.fixture
async def tenant(conn: asyncpg.Connection) -> Tenancy:
    return await make_tenant(conn, simple_reps(2))


async def test_on_call_sees_why_since_when_and_brings_all_of_a_reason_back_with_the_commands_that_are_shown(
    conn: asyncpg.Connection, database_url: str, tenant: Tenancy
) -> None:
    hours = timedelta(hours=1)
    old = await park(tenant, Reason.INTERNAL_ERROR, "division by zero", 0, 3, 30 * hours)
    new = await park(tenant, Reason.INTERNAL_ERROR, "division by zero", 10, 2, hours / 2)
    await park(tenant, Reason.INTERNAL_ERROR, "no such column", 20, 1, 2 * hours)
    by_hand = await park(tenant, Reason.SCREENING, "asked not to be called", 30, 1, 3 * hours)
    await make_tenant(conn, simple_reps(1), name="zeta")
    command = CommandLine(parked_command, database_url)

    document = await command.json()
    [of] = document["tenants"]
    assert (of["tenant"], of["parked"], len(of["newest"])) == ("acme", 7, 7)
    broken, screened = of["reasons"]
    assert (broken["reason"], broken["leads"], broken["last_hour"], broken["last_day"]) == ("internal_error", 6, 2, 3)
    assert broken["details"] == [
        {"detail": "division by zero", "leads": 5, "example": new[-1]},
        {"detail": "no such column", "leads": 1, "example": new[-1] + 1},
    ]
    assert (screened["reason"], screened["details"][0]["detail"]) == ("screening", "asked not to be called")
    assert {one["lead_id"] for one in of["newest"]} > {*old, *new}

    text = (await command.run()).stdout
    flat = " ".join(text.split())
    assert (
        "acme: 7 parked leads" in flat
        and "oldest 1 d 6 h ago, newest 30 min ago" in flat
        and "2 in the last hour" in flat
    )
    assert f"5 leads, such as lead {new[-1]}: division by zero lead {new[-1] + 1}: no such column" in flat
    assert "lead-router runbook internal_error" in flat and "zeta" not in flat
    assert " ".join(broken["commands"]["try"].split()) in flat

    # What is shown is typed: first it counts, then it does it.
    for words, sent in ((broken["commands"]["try"], 0), (broken["commands"]["send_back"], 6)):
        name, verb, *options = shlex.split(words)
        assert (name, verb) == ("lead-router", "retry")
        await CommandLine(retry, database_url).json(*options)
        assert (await tenant.states())["parked"] == 7 - sent
    [of] = (await command.json())["tenants"]
    assert [one["lead_id"] for one in of["newest"]] == by_hand


async def test_one_reason_is_shown_alone_and_nothing_is_said_in_words(
    conn: asyncpg.Connection, database_url: str, tenant: Tenancy
) -> None:
    command = CommandLine(parked_command, database_url)
    assert (await command.run()).stdout == "no lead is parked\n"
    assert (await command.json())["tenants"] == []
    await park(tenant, Reason.INTERNAL_ERROR, "x" * 500, 0, 3, timedelta())
    await park(tenant, Reason.LEAD_INVALID, "no phone and no e-mail", 10, 12, timedelta())
    assert (await command.run("--reason", "no_matching_rule")).stdout == "no lead is parked for no_matching_rule\n"
    [of] = (await command.json("--reason", "lead_invalid", "--limit", "2"))["tenants"]
    assert ([one["reason"] for one in of["reasons"]], of["parked"], len(of["newest"])) == (["lead_invalid"], 12, 2)
    flat = " ".join((await command.run("--tenant", "acme", "--limit", "2")).stdout.split())
    assert "the newest 2 of 15; all: lead-router leads list --tenant acme --state parked" in flat
    without = (await command.run("--limit", "0")).stdout
    assert "external id" not in without and "15 parked leads" in without
    wrong = await command.run("--reason", "tired")
    assert wrong.exit_code == 2 and "internal_error" in wrong.output
