"""Rules in the database: versions that never change, groups with stable numbers, commands that say what they did."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from click.testing import CliRunner, Result

from ops.cli.commands import rules as rules_command
from ops.cli.context import Context
from ops.embedded.urls import Urls
from router.domain.rep_fields import RepLine
from router.rules.file import RulesError, ZoneDiffers, read_rules
from router.settings.model import Settings
from router.store import rulesets, tenants
from router.store.roster import import_reps, load_roster

RULES = """# who gets what
rules:
  - {name: east, match: {region: Shanghai}, assign_to: group:East}
  - {name: rest, match: {}, assign_to: group:default}
"""
OTHER = RULES.replace("group:default", "group:rest").replace("Shanghai", "[Shanghai, Ningbo]")


@pytest.fixture
async def tenant(conn: asyncpg.Connection) -> tenants.Tenant:
    return await tenants.add(conn, "acme", "Asia/Shanghai")


async def counts(conn: asyncpg.Connection) -> tuple[int, int, int]:
    """Versions, groups, version in force."""
    row = await conn.fetchrow(
        "select (select count(*) from ruleset), (select count(*) from grp), (select ruleset from tenant)"
    )
    assert row is not None
    return (row[0], row[1], row[2])


async def test_applied_rules_are_read_back_in_the_tenants_zone(
    conn: asyncpg.Connection, tenant: tenants.Tenant
) -> None:
    applied = await rulesets.apply(conn, tenant.tenant_id, RULES, "ann", "first")
    assert (applied.version, applied.previous, applied.new_groups) == (1, 0, ("East", "default"))
    ruleset = await rulesets.load_ruleset(conn, tenant.tenant_id, 1)
    assert (ruleset.version, ruleset.business_time_zone) == (1, "Asia/Shanghai")
    assert [rule.name for rule in ruleset.rules] == ["east", "rest"]
    stored = await rulesets.source_of(conn, tenant.tenant_id, 1)
    assert (stored.source, stored.author, stored.note) == (RULES, "ann", "first")
    assert stored.applied_at.utcoffset() is not None
    assert (await tenants.tenant_named(conn, "acme")).ruleset == 1


async def test_the_rules_in_force_again_make_no_version(conn: asyncpg.Connection, tenant: tenants.Tenant) -> None:
    for expected in (1, 1):
        assert (await rulesets.apply(conn, tenant.tenant_id, RULES, "ann")).version == expected
    assert await counts(conn) == (1, 2, 1)
    assert [str(c) for c in (await rulesets.apply(conn, tenant.tenant_id, OTHER, "bob")).changes] == [
        'rule "east": match.region: added ningbo',
        'rule "rest": assign_to: group:default → group:rest',
    ]
    # back to what was once: a version of its own, and the same numbers for the same groups
    back = await rulesets.apply(conn, tenant.tenant_id, RULES, "ann")
    assert (back.version, back.previous, back.new_groups) == (3, 2, ())
    assert await counts(conn) == (3, 3, 3)
    assert (await rulesets.load_ruleset(conn, tenant.tenant_id, 2)).rules[1].group == "rest"


async def test_a_group_of_rules_and_roster_is_one_group_however_it_is_spelled(
    conn: asyncpg.Connection, tenant: tenants.Tenant
) -> None:
    await import_reps(conn, tenant.tenant_id, [RepLine("r1", {"groups": ("ＥＡＳＴ",)})], "ann")
    await rulesets.apply(conn, tenant.tenant_id, RULES, "ann")
    await import_reps(conn, tenant.tenant_id, [RepLine("r2", {"groups": ("DEFAULT", "east")})], "ann")
    roster = await load_roster(conn, tenant.tenant_id, 2)
    ruleset = await rulesets.load_ruleset(conn, tenant.tenant_id, 1)
    numbers = [roster.group_numbers[rule.group or ""] for rule in ruleset.rules]
    assert [sorted(roster.reps[i].rep_id for i in roster.members[no]) for no in numbers] == [["r1", "r2"], ["r2"]]
    assert len(roster.group_names) == 2


async def test_rules_of_another_zone_are_refused_whole(conn: asyncpg.Connection, tenant: tenants.Tenant) -> None:
    with pytest.raises(ZoneDiffers, match="is UTC, but the tenant's is Asia/Shanghai"):
        await rulesets.apply(conn, tenant.tenant_id, "business_time_zone: UTC\n" + RULES, "ann")
    with pytest.raises(RulesError, match=r"f\.yaml:1: max_age"):
        await rulesets.apply(conn, tenant.tenant_id, "max_age: 1\n" + RULES, "ann", file="f.yaml")
    with pytest.raises(LookupError, match="no tenant number 99"):
        await rulesets.apply(conn, 99, RULES, "ann")
    assert await counts(conn) == (0, 0, 0)
    assert (
        await rulesets.apply(conn, tenant.tenant_id, "business_time_zone: Asia/Shanghai\n" + RULES, "a")
    ).version == 1


async def test_comparing_writes_nothing_and_waits_for_nobody(
    conn: asyncpg.Connection, tenant: tenants.Tenant, database_url: str
) -> None:
    await rulesets.apply(conn, tenant.tenant_id, RULES, "ann")
    other = await asyncpg.connect(database_url)
    async with other.transaction():
        await other.execute("select from tenant for update")
        compared = await rulesets.compare(rulesets.keeping(conn), tenant.tenant_id, read_rules(OTHER, "f"))
    await other.close()
    assert (compared.version, len(compared.changes), compared.new_groups) == (1, 2, ("rest",))
    assert await counts(conn) == (1, 2, 1)


async def test_many_applying_at_once_take_turns(
    conn: asyncpg.Connection, tenant: tenants.Tenant, database_url: str
) -> None:
    async def one(name: str) -> None:
        mine = await asyncpg.connect(database_url)
        for turn in range(5):
            source = RULES.replace("group:default", f"group:{name}") + f"max_age: {turn + 1}d\n"
            await rulesets.apply(mine, tenant.tenant_id, source, name)
            await import_reps(mine, tenant.tenant_id, [RepLine(name, {"groups": (f"{name}-{turn}",)})], name)
        await mine.close()

    await asyncio.gather(*(one(name) for name in "abcd"))
    assert await counts(conn) == (20, 1 + 4 + 20, 20)
    for version in range(1, 21):
        assert (await rulesets.load_ruleset(conn, tenant.tenant_id, version)).version == version


async def test_a_version_that_never_was_is_said_to_be_none(conn: asyncpg.Connection, tenant: tenants.Tenant) -> None:
    with pytest.raises(rulesets.RulesUnknown, match="no version 1 of the rules; there are no rules yet"):
        await rulesets.load_ruleset(conn, tenant.tenant_id, 1)
    await rulesets.apply(conn, tenant.tenant_id, RULES, "ann")
    with pytest.raises(LookupError, match="versions go from 1 to 1"):
        await rulesets.source_of(conn, tenant.tenant_id, 2)


async def test_rules_that_this_release_cannot_read_can_be_replaced(
    conn: asyncpg.Connection, tenant: tenants.Tenant
) -> None:
    await rulesets.apply(conn, tenant.tenant_id, RULES, "ann")
    await conn.execute("update ruleset set source = 'language: old'")
    with pytest.raises(RulesError, match="ruleset version 1:1: language"):
        await rulesets.load_ruleset(conn, tenant.tenant_id, 1)
    assert (await rulesets.apply(conn, tenant.tenant_id, RULES, "ann")).version == 2
    assert (await rulesets.load_ruleset(conn, tenant.tenant_id, 2)).rules


class Cli:
    """Runs commands against the test's database as a user would."""

    def __init__(self, url: str) -> None:
        @asynccontextmanager
        async def servers(_: Settings) -> AsyncIterator[Urls]:
            yield Urls(url, None)

        self._context = Context(Settings(), servers)

    async def run(self, *arguments: str) -> Result:
        return await asyncio.to_thread(CliRunner().invoke, rules_command, arguments, obj=self._context)

    async def json(self, *arguments: str) -> Any:
        result = await self.run(*arguments, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)


async def test_the_commands_as_a_user_types_them(
    database_url: str, tenant: tenants.Tenant, conn: asyncpg.Connection, tmp_path: Path
) -> None:
    cli, file, to = Cli(database_url), tmp_path / "rules.yaml", ("--tenant", "acme")
    file.write_text(RULES, "utf-8")
    assert (await cli.run("check", str(file))).stdout == f"{file}: 2 rules, no problems\n"
    dry = await cli.json("apply", str(file), *to, "--dry-run")
    assert (dry["dry_run"], dry["version"], dry["new_groups"]) == (True, 0, ["East", "default"])
    result = await cli.run("apply", str(file), *to, "--author", "ann", "--note", "first")
    assert 'rule "east" added as first rule: match.region shanghai; assign_to group:East' in result.stdout
    assert "group East is new: no rep is in it yet" in result.stdout
    assert result.stdout.endswith("2 changes; ruleset version 1 is now active\n")
    assert "no change: ruleset version 1 is already active" in (await cli.run("apply", str(file), *to)).stdout
    file.write_text(OTHER, "utf-8")
    result = await cli.run("diff", str(file), *to)
    assert result.stdout.endswith("2 changes to ruleset version 1\n")
    assert (await cli.json("diff", str(file), *to))["changes"][0] == {
        "kind": "changed",
        "rule": "east",
        "field": "match.region",
        "before": ["shanghai"],
        "after": ["ningbo", "shanghai"],
        "behind": None,
        "text": 'rule "east": match.region: added ningbo',
    }
    assert (await cli.json("apply", str(file), *to))["version"] == 2
    # show gives back the file to the letter, so that it can be mended and applied
    result = await cli.run("show", *to, "--version", "1")
    assert result.stdout == RULES
    assert "ruleset version 1 (not active, version 2 is)" in result.stderr
    assert "by ann: first" in result.stderr
    assert (await cli.run("show", *to)).stdout == OTHER
    assert (await cli.json("show", *to))["in_force"] is True
    assert await counts(conn) == (2, 3, 2)


async def test_the_author_is_who_is_logged_in(
    database_url: str, tenant: tenants.Tenant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "wang")
    (tmp_path / "r.yaml").write_text(RULES)
    await Cli(database_url).run("apply", str(tmp_path / "r.yaml"), "--tenant", "acme")
    assert (await Cli(database_url).json("show", "--tenant", "acme"))["author"] == "wang"


async def test_problems_are_named_exit_with_1_and_change_nothing(
    database_url: str, tenant: tenants.Tenant, conn: asyncpg.Connection, tmp_path: Path
) -> None:
    cli, file = Cli(database_url), tmp_path / "rules.yaml"
    file.write_text(RULES.replace("region", "regio"))
    told = f'{file}:3: rules[0].match.regio: unknown field; did you mean "region"?'
    for arguments in (["check"], ["apply", "--tenant", "acme"], ["diff", "--tenant", "acme"]):
        result = await cli.run(*arguments, str(file))
        assert (result.exit_code, result.stdout, result.stderr) == (1, "", told + "\n")
        result = await cli.run(*arguments, str(file), "--json")
        document = json.loads(result.stdout)
        assert (result.exit_code, document["ok"], document["problems"][0]["line"]) == (1, False, 3)
    file.write_text("business_time_zone: UTC\n" + RULES)
    for command in ("apply", "diff"):
        result = await cli.run(command, str(file), "--tenant", "acme")
        assert (result.exit_code, "write business_time_zone: Asia/Shanghai" in result.stderr) == (1, True)
    assert await counts(conn) == (0, 0, 0)


async def test_what_is_odd_is_told_beside_the_problems_of_a_file(
    database_url: str, tenant: tenants.Tenant, tmp_path: Path
) -> None:
    cli, file = Cli(database_url), tmp_path / "rules.yaml"
    odd = '  - {name: south, match: {}, assign_to: "group:south", window: never}\n'
    file.write_text(RULES.replace("region", "regio") + odd)
    result = await cli.run("check", str(file), "--tenant", "acme")
    assert (result.exit_code, len(result.stderr.splitlines())) == (1, 1)
    assert "apart from these problems, in the parts that could be read: " in result.stdout
    assert "never opens" in result.stdout and 'group "south" does not exist' in result.stdout
    document = json.loads((await cli.run("check", str(file), "--json")).stdout)
    assert (document["ok"], len(document["problems"])) == (False, 1)
    assert [one["lint"] for one in document["findings"]] == ["never_open"]
    unknown = await cli.run("check", str(file), "--tenant", "acmee")
    assert (unknown.exit_code, "not compared with the tenant" in unknown.stdout) == (1, True)


async def test_a_ruleset_without_a_catch_all_is_valid_with_a_hint(database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(RULES.replace("match: {}", "match: {priority: 3}"))
    result = await Cli(database_url).run("check", str(file))
    assert (result.exit_code, "hint: rules: no rule matches every lead" in result.stdout) == (0, True)
    assert len((await Cli(database_url).json("check", str(file)))["findings"]) == 1


async def test_files_that_are_none_are_told_apart(database_url: str, tenant: tenants.Tenant, tmp_path: Path) -> None:
    cli = Cli(database_url)
    (tmp_path / "binary").write_bytes(bytes(range(256)))
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "utf16").write_bytes(RULES.encode("utf-16"))
    for name, code, told in (
        ("none", 2, "No such file"),
        ("", 2, "is a folder; name the file"),
        ("binary", 1, "is not valid UTF-8"),
        ("utf16", 1, "is not valid UTF-8"),
        ("empty", 1, ":1: is empty; a ruleset has at least one rule"),
    ):
        result = await cli.run("check", str(tmp_path / name))
        assert (result.exit_code, told in result.stderr) == (code, True), (name, result.output)
    (tmp_path / "good").write_text(RULES)
    for arguments, told in (
        (("apply", str(tmp_path / "good"), "--tenant", "acmee"), "did you mean acme?"),
        (("show", "--tenant", "acme"), "tenant acme has no rules yet"),
        (("show", "--tenant", "acme", "--version", "99999999999"), "Invalid value"),
    ):
        result = await cli.run(*arguments)
        assert (result.exit_code, told in result.stderr) == (2, True), (arguments, result.output)
