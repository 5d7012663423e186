"""Rules beside their tenant: lints, trial, lists that a version keeps, going back, and running routers that follow."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from click.testing import Result

from router.rules.lists import stored_lists
from router.store import rulesets
from router.store.connections.connections import Connections
from tests.postgres.test_rules_cli import Cli
from tests.support import until
from tests.workers import serving
from tests.world import Tenancy, a_drain, lead, make_tenant, reps_csv, settle

RULES = """rules:
  - {name: cities, match: {region: {in_file: cities.txt}}, assign_to: "group:east"}
  - {name: page, match: {landing_page: {prefix: /promo}, region: {not: Beijing}}, assign_to: "group:west"}
"""
LISTS = {"cities.txt": "Shanghai\nHangzhou\n"}
REPS = reps_csv(["e1,Eva,yes,UTC,east,10,10", "w1,Wu,yes,UTC,west,10,10", "w2,Wang,no,UTC,west,10,10"])


@pytest.fixture
async def tenant(conn: asyncpg.Connection) -> Tenancy:
    made = await make_tenant(conn, REPS)
    await rulesets.apply(conn, made.tenant_id, RULES, "ann", lists=stored_lists(LISTS))
    return made


@pytest.fixture
def cli(database_url: str) -> Cli:
    return Cli(database_url)


def written(folder: Path, source: str = RULES) -> str:
    (folder / "cities.txt").write_text(LISTS["cities.txt"])
    (folder / "rules.yaml").write_text(source)
    return str(folder / "rules.yaml")


async def everything(conn: asyncpg.Connection) -> dict[str, str]:
    """A fingerprint of every table."""
    tables = await conn.fetch(
        "select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace"
        " where n.nspname = 'public' and c.relkind in ('r', 'p') and not c.relispartition"
    )
    query = "select md5(coalesce(string_agg(t::text, '' order by t::text), '')) from {} t"
    return {row[0]: await conn.fetchval(query.format(row[0])) for row in tables}


async def test_a_version_keeps_its_lists_whatever_becomes_of_the_files(
    conn: asyncpg.Connection, tenant: Tenancy, tmp_path: Path, cli: Cli
) -> None:
    file, to = written(tmp_path), ("--tenant", "acme")
    assert "no change: ruleset version 2 is already active" in (await cli.run("apply", file, *to)).stdout
    (tmp_path / "cities.txt").write_text("Shanghai\nNingbo\n")
    # the rules file is the same to the letter, and yet these are other rules
    result = await cli.run("apply", file, *to)
    assert 'rule "cities": match.region: added ningbo; removed hangzhou' in result.stdout
    assert result.stdout.endswith("1 change; ruleset version 3 is now active\n")
    (tmp_path / "cities.txt").unlink()
    old, new = [await rulesets.load_ruleset(conn, tenant.tenant_id, version) for version in (2, 3)]
    assert [sorted(r.rules[0].match.one_of[0].values) for r in (old, new)] == [
        ["hangzhou", "shanghai"],
        ["ningbo", "shanghai"],
    ]
    shown = await cli.run("show", *to, "--version", "2", "--list", "cities.txt")
    assert shown.stdout == LISTS["cities.txt"]
    assert (await cli.run("show", *to, "--list", "x.txt")).exit_code == 2
    assert (await cli.json("show", *to))["lists"] == {"cities.txt": "Shanghai\nNingbo\n"}


async def test_going_back_makes_a_new_version_with_the_old_rules_and_lists(
    conn: asyncpg.Connection, tenant: Tenancy, cli: Cli
) -> None:
    await rulesets.apply(conn, tenant.tenant_id, RULES, "bob", lists=stored_lists({"cities.txt": "Wuhan\n"}))
    to = ("--tenant", "acme")
    result = await cli.run("rollback", *to, "--author", "eve")
    assert result.stdout.endswith("1 change; ruleset version 4 is now active\n")
    stored = await rulesets.source_of(conn, tenant.tenant_id, 4)
    assert (stored.source, stored.lists, stored.note, stored.author) == (RULES, LISTS, "back to version 2", "eve")
    assert "no change: ruleset version 4 is already active" in (await cli.run("rollback", *to, "--to", "2")).stdout
    # a rollback can be rolled back: the version before it is the one that it left
    assert (await cli.json("rollback", *to, "--note", "no, 3"))["version"] == 5
    versions = await cli.json("list", *to)
    assert [(one["version"], one["note"], one["in_force"]) for one in versions] == [
        (5, "no, 3", True),
        (4, "back to version 2", False),
        (3, "", False),
        (2, "", False),
        (1, "", False),
    ]
    text = (await cli.run("list", *to)).stdout.splitlines()
    assert text[0].endswith(": no, 3  active") and len(text) == 5
    result = await cli.run("rollback", *to, "--to", "9")
    assert (result.exit_code, "versions go from 1 to 5" in result.stderr) == (2, True)


async def test_going_back_without_anything_before_says_so(
    database_url: str, conn: asyncpg.Connection, cli: Cli
) -> None:
    await make_tenant(conn, REPS)
    result = await cli.run("rollback", "--tenant", "acme")
    assert (result.exit_code, "no version before the active one" in result.stderr) == (2, True)


async def test_rules_are_linted_beside_roster_and_leads(
    conn: asyncpg.Connection, tenant: Tenancy, tmp_path: Path, cli: Cli
) -> None:
    await tenant.accept([lead(1, region="Shanghai"), lead(2, region="ＷＵＨＡＮ", landing_page="/promo/1")])
    await tenant.accept([lead(3, region="Xian")])
    await conn.execute("update lead set received_at = received_at - interval '91 days' where external_id = 'e3'")
    bad = RULES.replace("group:west", "group:wst").replace("not: Beijing", "not: [Wuhn, Xian]")
    file = written(tmp_path, "business_time_zone: Asia/Tokyo\n" + bad)
    result = await cli.run("check", file, "--tenant", "acme", "--json")
    document = json.loads(result.stdout)
    assert (result.exit_code, document["ok"]) == (1, False)
    assert [(f["level"], f["lint"], f["rule"], f["line"]) for f in document["findings"]] == [
        ("hint", "no_catch_all", None, 3),
        ("error", "other_zone", None, 1),
        ("warning", "unknown_group", "page", 4),
        ("warning", "unseen_value", "page", 4),
        ("hint", "unseen_value", "page", 4),
    ]
    assert 'did you mean "west"?' in document["findings"][2]["message"]
    assert 'had region "wuhn"; did you mean "wuhan"?' in document["findings"][3]["message"]
    result = await cli.run("check", written(tmp_path, bad), "--tenant", "acme")
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, f"{file}: 2 rules, 2 warnings, 2 hints")
    assert f'{file}:3: warning: rule "page", assign_to: group "wst" does not exist' in result.stdout
    assert (await cli.run("check", file, "--tenant", "acme", "--strict")).exit_code == 1
    good = written(
        tmp_path, "business_time_zone: UTC\n" + RULES + '  - {name: rest, match: {}, assign_to: "group:east"}\n'
    )
    result = await cli.run("check", good, "--tenant", "acme", "--strict")
    assert result.exit_code == 0, result.stdout


async def test_rules_that_surely_do_nothing_are_not_applied(
    conn: asyncpg.Connection, tenant: Tenancy, tmp_path: Path, cli: Cli
) -> None:
    wrong = RULES.replace("in_file: cities.txt", "in_file: cities.txt, not: [Shanghai, Hangzhou]")
    for command in (("apply", "--tenant", "acme"), ("check",)):
        result = await cli.run(command[0], written(tmp_path, wrong), *command[1:])
        assert (result.exit_code, "exclude each other" in result.output) == (1, True)
    assert (await cli.json("list", "--tenant", "acme"))[0]["version"] == 2


async def tried(cli: Cli, file: str, given: str) -> tuple[Result, Any]:
    words = ("test", file, "--tenant", "acme", "--lead", given)
    return await cli.run(*words), json.loads((await cli.run(*words, "--json")).stdout)


async def test_a_lead_is_decided_by_rules_that_are_not_in_force_and_nothing_is_changed(
    conn: asyncpg.Connection, tenant: Tenancy, connections: Connections, tmp_path: Path, cli: Cli
) -> None:
    accepted = await tenant.accept([lead(1, region="Beijing", landing_page="/promo/a"), lead(2, region="Xian")])
    await settle(a_drain(connections), tenant.tenant_id)
    assert (await tenant.states())["waiting"] == 2
    file = written(tmp_path, RULES.replace("not: Beijing", "not: Wuhan").replace("group:east", "group:brand-new"))
    before = await everything(conn)
    text, document = await tried(cli, file, str(accepted.lead_ids[0]))
    assert text.exit_code == 0, text.output
    assert text.stdout.startswith(
        f"Lead {accepted.lead_ids[0]} would go to w1 Wu (by {file}, now; nothing was changed)\n"
    )
    assert "1. cities: does not match: requires region listed in cities.txt; the lead has Beijing" in text.stdout
    assert "matches (region other than wuhan, landing_page beginning with /promo)" in text.stdout
    assert "left out, unavailable: 1 (w2)" in text.stdout
    assert (document["outcome"]["kind"], document["outcome"]["rep_id"]) == ("assigned", "w1")
    assert document["rules"][0]["conditions"][0]["operator"] == "in_file"
    # as JSON, as a file of it, and one that nobody would get
    text, document = await tried(cli, file, '{"region": "Hangzhou", "priority": 7}')
    assert (text.exit_code, document["reason"]) == (1, "group_empty")
    (tmp_path / "lead.json").write_text('{"landing_page": "/PROMO", "phone": "+8613800138000"}')
    text, document = await tried(cli, file, str(tmp_path / "lead.json"))
    assert (text.exit_code, document["lead"], document["outcome"]["rep_id"]) == (0, None, "w1")
    text, document = await tried(cli, file, "web/e2")
    assert (text.exit_code, document["reason"]) == (1, "no_matching_rule")
    assert await everything(conn) == before


async def test_a_trial_knows_the_customer_of_a_new_lead(
    conn: asyncpg.Connection, tenant: Tenancy, connections: Connections, tmp_path: Path, cli: Cli
) -> None:
    await tenant.accept([lead(1, region="Shanghai", phone="+8613800138000")])
    await settle(a_drain(connections), tenant.tenant_id)
    file = written(tmp_path, "rules: [{name: known, match: {known_customer: true}, assign_to: owner}]")
    text, document = await tried(cli, file, '{"phone": "+86 138 0013 8000"}')
    assert (text.exit_code, document["outcome"]["rep_id"]) == (0, "e1")
    text, document = await tried(cli, file, '{"phone": "+86 138 0013 8001"}')
    assert "requires a known customer; the customer has no owner" in text.stdout
    text, document = await tried(cli, file, '{"phone": "none", "attributes": {"budget": 5}}')
    assert (
        document["malformed"],
        "the phone number is invalid and was not used to find the customer" in text.stdout,
    ) == (
        ["phone"],
        True,
    )


async def test_a_trial_that_cannot_be_says_why(tenant: Tenancy, tmp_path: Path, cli: Cli) -> None:
    file = written(tmp_path)
    for given, told in (
        ("{region}", "--lead: is not JSON"),
        ("none.json", "none.json: No such file"),
        ("4711", "there is no lead number '4711'"),
        ('{"priority": "high"}', "--lead: priority: 'high' is not a whole number"),
        ('{"region": ["a"]}', "--lead: region: must be a text, not list"),
        ('{"priority": 2.5}', "--lead: priority: must be a text, not float"),
        ('{"regoin": "x", "Phone": "1"}', '--lead: regoin: unknown field; did you mean "region"?'),
        ('{"regoin": "x", "Phone": "1"}', '--lead: Phone: unknown field; did you mean "phone"?'),
        ('{"budget": 5}', "--lead: budget: unknown field; known: external_id, source"),
        ('{"created_at": "yesterday"}', "--lead: created_at: 'yesterday' is not a time such as"),
        ('{"created_at": "2026-03-02T09:30:00"}', "has no offset; add one, as in 2026-03-02T09:30:00+08:00, or Z"),
        ('{"created_at": "2026-03-02"}', "has no offset; add one"),
        ('{"created_at": "9026-03-02T09:30:00Z"}', "lies ahead by more than a day"),
    ):
        result = await cli.run("test", file, "--tenant", "acme", "--lead", given)
        assert (result.exit_code, told in result.stderr) == (2, True), result.output
    result = await cli.run("test", file, "--tenant", "nobody", "--lead", "{}")
    assert result.exit_code == 2


async def test_a_running_router_takes_new_rules_and_a_rollback_at_once(
    database_url: str, conn: asyncpg.Connection, tenant: Tenancy
) -> None:
    catch_all = 'rules: [{name: all, match: {}, assign_to: "group:%s"}]'

    async def until_given(rep: str, count: int, change: Callable[[], Awaitable[object]]) -> None:
        """From the change of the rules on, nothing else tells the router."""

        async def given() -> bool:
            return (await tenant.counts()).get(rep, 0) == count

        await change()
        await until(given, f"{rep} has {count} leads")

    async with serving(database_url) as router:
        await router.said("listening")
        await tenant.accept([lead(1, region="Xian"), lead(2, region="Wuhan")])

        async def refused() -> bool:
            return bool(await conn.fetchval("select count(*) = 2 from lead_pool where wake_key <> 0"))

        await until(refused, "no rule matches the leads")
        await until_given("w1", 2, lambda: tenant.rules(catch_all % "west"))
        await until_given("e1", 1, lambda: _and_a_lead(tenant, catch_all % "east", 3))
        await until_given("w1", 3, lambda: _back_and_a_lead(conn, tenant, 4))


async def _and_a_lead(tenant: Tenancy, source: str, number: int) -> None:
    await tenant.rules(source)
    await _taken_over(tenant)
    await tenant.accept([lead(number)])


async def _back_and_a_lead(conn: asyncpg.Connection, tenant: Tenancy, number: int) -> None:
    await rulesets.roll_back(rulesets.keeping(conn), tenant.tenant_id, None, "ann")
    await _taken_over(tenant)
    await tenant.accept([lead(number)])


async def _taken_over(tenant: Tenancy) -> None:
    """A batch that began before the new rules may decide about a lead that comes right after them."""

    async def taken() -> bool:
        return bool(
            await tenant.conn.fetchval("select l.ruleset = t.ruleset from lane l join tenant t using (tenant_id)")
        )

    await until(taken, "the router uses the new rules")
