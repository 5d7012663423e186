"""Guards: a change that leaves reps without leads, or leads without reps, is said before anybody waits for it."""

from pathlib import Path

import asyncpg
import pytest
from click.testing import Result

from ops.cli import main
from ops.status.status import status
from router.store import tenants
from router.store.connections.connections import Connections
from router.store.status import tenants_with_unnamed_groups
from tests.command_line import CommandLine
from tests.world import Tenancy, a_drain, lead, settle

ONE_RULE = "rules:\n  - {name: east, match: {}, assign_to: group:east}\n"
MISSPELT = "rep_id,available,groups\na1,yes,east\nnew1,yes,eest\nnew2,yes,East Team\n"


class Desk(CommandLine):
    """All commands, for the tenant acme, with files in a folder."""

    def __init__(self, url: str, folder: Path) -> None:
        super().__init__(main, url)
        self.folder = folder

    def file(self, name: str, text: str) -> str:
        (self.folder / name).write_text(text, encoding="utf-8")
        return str(self.folder / name)

    async def acme(self, *words: str) -> Result:
        return await self.run(*words, "--tenant", "acme")

    async def fine(self, *words: str) -> str:
        result = await self.acme(*words)
        assert result.exit_code == 0, result.output
        return result.output


@pytest.fixture
async def desk(database_url: str, conn: asyncpg.Connection, tmp_path: Path) -> Desk:
    await tenants.add(conn, "acme", "Asia/Shanghai")
    return Desk(database_url, tmp_path)


async def test_reps_whose_group_no_rule_names_are_said_at_import_by_check_status_and_doctor(
    desk: Desk, conn: asyncpg.Connection
) -> None:
    """The case group-that-no-rule-names."""
    rules, reps = desk.file("rules.yaml", ONE_RULE), desk.file("reps.csv", MISSPELT)
    await desk.fine("rules", "apply", rules)  # before the first roster no group can have reps
    said = await desk.fine("reps", "import", reps)
    for group, rep in (("eest", "new1"), ("East Team", "new2")):
        words = f'no rule names group "{group}", so no rule assigns to 1 active rep ({rep}); did you mean "east"?'
        assert f"warning: {words}" in said
        assert words in (await desk.fine("rules", "check", rules))
    assert (await desk.acme("rules", "check", rules, "--strict")).exit_code == 1
    [finding] = [one for one in (await status(conn)).findings if one.code == "reps_without_group"]
    assert finding.evidence == (
        {"rep_id": "new2", "group": "East Team", "did_you_mean": "east"},
        {"rep_id": "new1", "group": "eest", "did_you_mean": "east"},
    )
    assert 'no rule names group "eest"' in (await desk.fine("doctor"))
    document = await desk.json("reps", "import", reps, "--tenant", "acme")
    assert [one["reps"] for one in document["unnamed_groups"]] == [["new2"], ["new1"]]
    moved = await desk.fine("reps", "set", "new1", "--groups", "east")
    assert "no rule names" not in moved
    assert 'did you mean "east"?' in await desk.fine("reps", "set", "new1", "--groups", "easst")
    for rep in ("new1", "new2"):
        await desk.fine("reps", "set", rep, "--groups", "east")
    assert not [one for one in (await status(conn)).findings if one.code == "reps_without_group"]


async def test_a_group_that_two_rules_name_is_waited_for_once(
    desk: Desk, conn: asyncpg.Connection, connections: Connections
) -> None:
    """The case status-names-a-group-twice."""
    said = await desk.fine("reps", "import", desk.file("reps.csv", "rep_id,available,groups\nr1,no,east\n"))
    assert "warning: no rep in group east is available now" in said
    both = "\n  - {name: pumps, match: {product: pump}, assign_to: group:east}"
    await desk.fine("rules", "apply", desk.file("rules.yaml", ONE_RULE.replace("rules:", f"rules:{both}")))
    tenant = Tenancy(conn, 1)
    await tenant.accept([lead(1, product="pump")])
    await settle(a_drain(connections), tenant.tenant_id)
    shown = (await status(conn)).tenants[0].waiting.reasons
    assert [part.waits_for for part in shown] == [("a rep in group east",)]


async def test_the_last_available_rep_goes_only_when_asked_for(desk: Desk, conn: asyncpg.Connection) -> None:
    both = "rep_id,available,groups\nr1,yes,east\nr2,yes,west\n"
    none = both.replace("yes", "no")
    assert "warning" not in await desk.fine("reps", "import", desk.file("reps.csv", both))
    assert "warning: no rep in group east is available now" in await desk.fine("reps", "set", "r1", "--available", "no")
    for words in (("reps", "set", "r2", "--available", "no"), ("reps", "import", desk.file("none.csv", none))):
        refused = await desk.acme(*words)
        assert refused.exit_code == 1
        assert "nothing was changed: no rep of the tenant is available after this change" in refused.stderr
        assert "--anyway" in refused.stderr
        assert await conn.fetchval("select max(version) from roster_version") == 2
    dry = await desk.json("reps", "import", desk.file("none.csv", none), "--tenant", "acme", "--dry-run")
    assert (dry["nobody_available"], dry["groups_without_available"]) == (True, ["west"])
    assert "warning: no rep of the tenant" in await desk.fine("reps", "set", "r2", "--available", "no", "--anyway")
    # It is so already: the next change is not to blame.
    assert "warning" not in await desk.fine("reps", "import", desk.file("none.csv", none))
    # Neither is a rep who is made inactive, or put elsewhere, while others are there.
    await desk.fine("reps", "import", desk.file("reps.csv", both))
    gone = await desk.acme("reps", "import", desk.file("one.csv", "rep_id,active\nr1,no\nr2,no\n"))
    assert (gone.exit_code, "--anyway" in gone.stderr) == (1, True)


async def test_rules_with_warnings_are_applied_only_when_asked_for(desk: Desk, conn: asyncpg.Connection) -> None:
    await desk.fine("reps", "import", desk.file("reps.csv", "rep_id,available,groups\na1,yes,east\n"))
    rules = desk.file("rules.yaml", ONE_RULE.replace("group:east", "group:eest"))
    for more in ((), ("--dry-run",)):
        stopped = await desk.acme("rules", "apply", rules, *more)
        assert (stopped.exit_code, 'did you mean "east"?' in stopped.stdout) == (1, True)
        assert "1 warning: nothing w" in stopped.stdout and "or use --anyway" in stopped.stdout
    assert await conn.fetchval("select count(*) from ruleset") == 0
    document = await desk.json("rules", "apply", rules, "--tenant", "acme", code=1)
    assert (document["stopped"], document["version"]) == (True, 0)
    assert "ruleset version 1 is now active" in await desk.fine("rules", "apply", rules, "--anyway")
    # The same again changes nothing, so nothing is to be decided.
    assert "no change: ruleset version 1 is already active" in await desk.fine("rules", "apply", rules)
    good = desk.file("rules.yaml", ONE_RULE)
    assert "ruleset version 2 is now active" in await desk.fine("rules", "apply", good)


async def test_leads_without_a_field_are_leads_all_the_same(desk: Desk, conn: asyncpg.Connection) -> None:
    await desk.fine("reps", "import", desk.file("reps.csv", "rep_id,available,groups\na1,yes,east\n"))
    rules = desk.file("rules.yaml", ONE_RULE.replace("{}", "{region: Shanghai}"))
    assert "no lead arrived in the last 90 days" in await desk.fine("rules", "check", rules)
    await Tenancy(conn, 1).accept([lead(1, product="pump")])
    said = await desk.fine("rules", "check", rules)
    assert 'no lead of the last 90 days had region "shanghai"' in said
    assert "no lead arrived" not in said


async def test_hours_that_end_a_minute_early_get_a_hint(desk: Desk) -> None:
    reps = "rep_id,available,groups,working_hours\na1,yes,east,mon-sun 00:00-23:59\nb1,yes,east,mon-sun 00:00-24:00\n"
    await desk.fine("reps", "import", desk.file("reps.csv", reps))
    window = ONE_RULE.replace("match: {}", 'match: {}, window: "mon-fri 00:00-23:59"')
    text = f'calendar: {{working_hours: {{mon-fri: "08:00-23:59"}}}}\n{window}'
    said = await desk.fine("rules", "check", desk.file("rules.yaml", text))
    assert "hint: calendar.working_hours: end at 23:59, so the last minute of the day is outside" in said
    assert 'rule "east", window: ends at 23:59' in said
    assert "working hours of 1 rep (a1) end at 23:59" in said
    full = await desk.fine("rules", "check", desk.file("rules.yaml", text.replace("23:59", "24:00")))
    assert full.count("last minute") == 1


async def test_rules_match_leads_that_the_synonyms_gave_another_word_from_when_they_are_applied(
    desk: Desk, conn: asyncpg.Connection, connections: Connections
) -> None:
    await desk.fine("reps", "import", desk.file("reps.csv", "rep_id,available,groups\na1,yes,east\na2,yes,west\n"))
    table = desk.file("synonyms.csv", "field,word,spelling\nregion,Peking,Beijing\n")
    await desk.fine("leads", "synonyms", "import", table)
    text = """rules:
  - {name: north, match: {region: [PEKING, Shanghai]}, assign_to: "group:east"}
  - {name: rest, match: {region: {not: Peking}}, assign_to: "group:west"}
"""
    rules = desk.file("rules.yaml", text)
    assert 'region: "peking" also means "beijing": the tenant\'s synonyms' in await desk.fine("rules", "check", rules)
    assert "synonyms.region: none → peking = beijing" in await desk.fine("rules", "diff", rules)
    await desk.fine("rules", "apply", rules)
    trial = await desk.fine("rules", "test", rules, "--lead", '{"region": "peking"}')
    assert "This lead would go to a1" in trial

    async def rule_of(external_id: str, region: str) -> str:
        leads = f"external_id,region\n{external_id},{region}\n"
        await desk.fine("leads", "import", desk.file(f"{external_id}.csv", leads))
        await settle(a_drain(connections), 1)
        found = "select a.rule_no from assignment a join lead using (tenant_id, lead_id) where external_id = $1"
        return ("north", "rest")[await conn.fetchval(found, external_id)]

    assert [await rule_of("L1", "Peking"), await rule_of("L2", "beijing")] == ["north", "north"]
    await desk.fine("audit")
    why = await desk.run("why", str(await conn.fetchval("select lead_id from lead where external_id = 'L1'")))
    assert "Beijing" in why.output
    assert "north" in why.output

    # A changed table changes no version that was applied; it is said, and the version can be applied again.
    changed = await desk.acme(
        "leads", "synonyms", "import", desk.file("more.csv", "field,word,spelling\nregion,Shanghai,SH\n")
    )
    assert 'go on with the synonyms of when they were applied: region "shanghai" is "sh"' in changed.output
    assert await rule_of("L3", "Shanghai") == "rest"
    assert "the synonyms have changed since version 1 was applied" in (await desk.run("doctor")).output
    assert "synonyms.region: added shanghai = sh" in await desk.fine("rules", "rollback", "--to", "1")
    assert "already active" in await desk.fine("rules", "apply", rules)
    assert "the synonyms have changed" not in (await desk.run("doctor")).output
    assert await rule_of("L4", "Shanghai") == "north"
    shown = await desk.acme("rules", "show")
    assert shown.stdout == text
    assert "# with the synonyms of region: peking = beijing, shanghai = sh" in shown.stderr
    assert (await desk.json("rules", "show", "--tenant", "acme", "--version", "1"))["synonyms"] == {
        "region": {"peking": "beijing"}
    }
    replayed = await desk.json("replay", "--tenant", "acme", "--since", "1h", "--rules", rules)
    assert "L3" in str(replayed)


async def test_a_rule_that_another_hides_only_by_synonyms_is_said(desk: Desk) -> None:
    await desk.fine("reps", "import", desk.file("reps.csv", "rep_id,available,groups\na1,yes,east\n"))
    await desk.fine("leads", "synonyms", "import", desk.file("s.csv", "field,word,spelling\nregion,Peking,Beijing\n"))
    hidden = """rules:
  - {name: one, match: {region: Peking}, assign_to: "group:east", on_no_candidate: wait}
  - {name: two, match: {region: Beijing}, assign_to: "group:east"}
"""
    assert "two" in (await desk.acme("rules", "check", desk.file("rules.yaml", hidden), "--strict")).output


async def test_regions_of_reps_for_which_the_synonyms_have_another_word_are_said(desk: Desk) -> None:
    reps = "rep_id,available,groups,regions\na1,yes,east,Peking\n"
    await desk.fine("reps", "import", desk.file("reps.csv", reps))
    await desk.fine("leads", "synonyms", "import", desk.file("s.csv", "field,word,spelling\nregion,Peking,Beijing\n"))
    weighted = desk.file("rules.yaml", "weights: {region_match: 2}\n" + ONE_RULE)
    assert 'regions of reps that no lead has: "peking" is "Beijing" in the synonyms' in await desk.fine(
        "rules", "check", weighted
    )


async def test_status_sorts_out_by_the_text_of_the_rules_whatever_the_groups_are_called(
    desk: Desk, conn: asyncpg.Connection
) -> None:
    names = ("a.b", "c+(d)", "50% off [x]", "东区", "East Team", "back\\slash", "x{1}")
    reps = "".join(f'r{n},yes,"{name}"\n' for n, name in enumerate(names))
    await desk.fine("reps", "import", desk.file("reps.csv", f"rep_id,available,groups\n{reps}"))
    quoted = [f"'group:{name}'" for name in names]
    lines = "".join(f"  - {{name: n{n}, match: {{priority: {n}}}, assign_to: {to}}}\n" for n, to in enumerate(quoted))
    await desk.fine("rules", "apply", desk.file("rules.yaml", f"rules:\n{lines}"))
    assert await tenants_with_unnamed_groups(conn, [1]) == []
    for name in ("a-b", "East", "a", "50% off", "group:a.b x"):
        await desk.fine("reps", "set", "r0", "--groups", name)
        assert await tenants_with_unnamed_groups(conn, [1]) == [1], name
