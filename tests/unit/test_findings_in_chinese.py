"""What each check finds is said in Chinese on a Chinese page, whatever is in it; and English stays as it was. Pure."""

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ops.console.rendering import environment
from ops.doctor import look
from ops.doctor.checks import (
    blocked_nightly,
    caps_used_up,
    cleanup_overdue,
    clock_was_wrong,
    clocks_differ,
    connections_short,
    database_busy,
    disk_filling,
    events_lagging,
    groups_empty,
    index_missing,
    journal_full,
    journal_set_aside,
    leads_journalled,
    maintenance_overrun,
    members_unavailable,
    no_rule_matches,
    nobody_takes_leads,
    notify_failing,
    pooler_saturated,
    presence_unknown,
    redis_trouble,
    reps_without_group,
    reps_without_leads,
    retries_repeating,
    roster_not_synced,
    routers_crashing,
    rules_doubtful,
    stamps_shifted,
    tables_bloated,
    tenant_paused,
    vacuum_held_back,
    webhook_failing,
    zones_differ,
    zones_doubtful,
)
from ops.doctor.finding import Finding, Severity, of_tenant
from ops.doctor.look import all_checks
from ops.doctor.members import _WORDS, Member
from ops.doctor.nightly import Nightly
from ops.doctor.stalls import open_findings
from ops.doctor.waits import WaitForGroups
from ops.roster_sync.holds import Hold, holds_told
from ops.roster_sync.judge import judge
from ops.roster_sync.view import ViewRefused, ViewRows
from ops.stalls.stall import TOPICS, Kind, Stall
from ops.stalls.usual import Trend, intake_stopped, rule_stalls, same_hours
from router.domain.coverage import UnnamedGroup
from router.domain.lint import Finding as LintFinding
from router.domain.lint import Level, Lint
from router.domain.worded import parts_of, restored, worded
from router.domain.worded_phrases import in_a_row
from router.drain.presence import Unsure
from router.drain.redis_probe import RedisLook, Use
from router.store.blocking.blocked import BlockedLeads
from router.store.blocking.judge import Session
from router.store.blocking.seen_blockers import SeenBlocker
from router.store.configuration import SizeChange
from router.store.connections.pooler import Pool, Pooler
from router.store.connections.server_capacity import ServerCapacity
from router.store.journal import Holding, ReportedFile
from router.store.new_reps import NewRep
from router.store.other_server import NOT_ASKED
from router.store.parts import Unanswered
from router.store.processes import ProcessClock
from router.store.stalls import StoredStall
from router.store.stamps import SourceStamps, Stamp
from router.store.status import LaneStatus, Paused, RosterSync, SentBack
from router.store.tenants import Tenant
from router.store.upkeep import DeadRows, HeldBack, IndexTrouble
from router.store.webhooks import GONE
from tests.findings import in_chinese

NOW = datetime(2026, 11, 30, 6, tzinfo=UTC)
AGO = NOW - timedelta(hours=3, minutes=5)
HOSTILE = "<b>{0} {x.y} %s</b>\x1b[2J"
"""A name that is markup, a place for a value, and a command to a terminal."""
TENANT = Tenant(1, HOSTILE, "Asia/Shanghai", 1, 1, 1)
ROOT = Path(__file__).parents[2]
ALONE = {"leads_unaccounted", "versions_mixed", "server_settings", "rules_unreadable", "availability_unreadable"}
"""Checks that make their sentence while they ask the database: tests/postgres finds these, with `tests.findings`."""


def scene(**more: Any) -> Any:
    return SimpleNamespace(at=NOW, tenants=[TENANT], tenant_ids=[1], host_at=NOW, **more)


def plain(code: str, *sentences: str) -> list[Finding]:
    return [Finding(code, Severity.WARNING, of_tenant(HOSTILE), one) for one in sentences]


def _waits(leads: int) -> Any:
    waits = (f"a rep in group {HOSTILE}", f"rep {HOSTILE}", "a rule that matches", "the next batch")
    return SimpleNamespace(reason="group_empty", leads=leads, oldest_queued_at=AGO, waits_for=waits, groups=(HOSTILE,))


def _seen(application: str, tables: tuple[str, ...], ended: datetime | None) -> Nightly:
    one = SeenBlocker(AGO, application, "etl", "10.0.0.1", "table_lock", tables, "select", AGO, ended)
    return Nightly((one,), 1 if application else 4, NOW)


def _runs() -> Iterator[Finding]:
    for run in (None, SimpleNamespace(done_at=AGO, outcome="brake", note=HOSTILE)):
        yield cleanup_overdue._finding(HOSTILE, AGO, run, NOW)  # type: ignore[arg-type]


def _turns() -> Iterator[Finding]:
    run = SimpleNamespace(name=HOSTILE, role="etl", overruns=1, overrun_s=90.0, late=timedelta())
    late = SimpleNamespace(**{**vars(run), "late": timedelta(minutes=5)})
    for one, sessions in ((run, 0), (late, 0), (late, 2)):
        for tenant in (HOSTILE, worded("all tenants")):
            who = {"tenant": tenant, "name": one.name, "role": one.role}
            yield from plain("maintenance_overrun", maintenance_overrun._sentence(one, sessions, who))  # type: ignore[arg-type]


def _short() -> Iterator[Finding]:
    change = SizeChange(AGO, HOSTILE, "max_connections", 100, 20)
    yield connections_short._lowered(change)
    for limits in ((), (5,)):
        for instances in ({"a": 30}, {"a": 20, "b": 20}):
            room = ServerCapacity(20, 3, 10, 10, instances, limits)
            excess = room.excess()
            assert excess is not None
            parts = [connections_short._exhausted(room, {"": 7, HOSTILE: 3, "a": 1, "b": 1, "c": 1}), excess]
            parts.append(connections_short._words(change))
            yield from plain("connections_short", in_a_row(parts))


def _busy() -> Iterator[Finding]:
    sessions = [Session(7, HOSTILE, "etl", client="10.0.0.1"), Session(8)]
    for holds in ("table", "lane", "rows"):
        for session in sessions:
            blocked = [BlockedLeads(session, holds, 1), BlockedLeads(session, holds, 2)]
            yield database_busy._finding(TENANT, blocked[: session.pid - 6])
    names = [f"{HOSTILE}{number}" for number in range(5)]
    for server in ("db:5432", NOT_ASKED):
        yield from database_busy._servers(scene(away={name: Unanswered(server, HOSTILE) for name in names}))


def _files() -> Iterator[Finding]:
    file = ReportedFile(1, HOSTILE, "host", "/x", 1, 2, 3, HOSTILE, AGO)
    yield journal_full._finding(file)
    yield journal_set_aside._finding(HOSTILE, Holding(1, file, 0, 1, None, HOSTILE))
    yield leads_journalled._finding(scene(), HOSTILE, [Holding(1, file, 1, 0, AGO, "")])
    now = replace(file, seen_at=NOW)
    yield leads_journalled._finding(scene(), HOSTILE, [Holding(1, now, 1, 0, AGO, ""), Holding(1, now, 1, 0, AGO, "")])


def _away() -> Iterator[Finding]:
    whys = list(_WORDS.values())
    for group, number in ((HOSTILE, 1), (HOSTILE, 3), ("rep:r1", 1)):
        members = [Member(no, f"r{no}", group, whys[no], None, True) for no in range(number)]
        yield members_unavailable._finding(TENANT, members, AGO, WaitForGroups(1, AGO))


def _channels() -> Iterator[Finding | None]:
    known = SimpleNamespace(
        channel=HOSTILE,
        kind="mail",
        failing_since=AGO,
        failures=1,
        waiting=2,
        last_error=HOSTILE,
        oldest=None,
        given_up_at=None,
        succeeded_at=None,
    )
    for more in ({}, {"failing_since": None, "oldest": AGO}, {"failing_since": None, "given_up_at": AGO}):
        yield notify_failing._finding(SimpleNamespace(**{**vars(known), **more}), scene())  # type: ignore[arg-type]


def _webhooks() -> Iterator[Finding | None]:
    known = SimpleNamespace(
        webhook_no=1,
        url="https://x.example/" + "y" * 9,
        enabled=True,
        disabled_why=None,
        failing_since=AGO,
        failures=3,
        last_error=HOSTILE,
        missed_upto=None,
        dead=0,
        waiting=0,
        delivered_at=None,
        behind_since=AGO,
        held=True,
        delivered=0,
    )
    for more in (
        {},
        {"enabled": False, "disabled_why": GONE},
        {"failing_since": None, "missed_upto": 1},
        {"failing_since": None, "dead": 1},
    ):
        yield webhook_failing._finding(SimpleNamespace(**{**vars(known), **more}), HOSTILE, scene())  # type: ignore[arg-type]
    for held in (True, False):
        late = SimpleNamespace(**{**vars(known), "held": held})
        yield events_lagging._finding(late, HOSTILE, scene())  # type: ignore[arg-type]


def _redis() -> Iterator[Finding]:
    for seen in (
        RedisLook(problem=HOSTILE),
        RedisLook(seconds=1.0),
        RedisLook(refused=dict.fromkeys(Use, HOSTILE)),
    ):
        yield from redis_trouble.findings(seen, tuple(Use))


def _roster() -> Iterator[str]:
    held = [Hold(HOSTILE, True, NOW + timedelta(hours=1)), Hold("r2", False, AGO), Hold("r3", False, AGO)]
    yield from holds_told([*held, Hold("r4", False, NOW + timedelta(hours=1))], NOW)
    rows = [{"rep_id": "r1", "available": HOSTILE, "weight": "many"}] * 60
    rows = [{**row, "rep_id": f"r{number}"} for number, row in enumerate(rows)]
    types = {"rep_id": "text", "available": "text", "weight": "text"}
    yield from judge(ViewRows(types, rows), {row["rep_id"] for row in rows}, {"available": "boolean"}, NOW).warnings
    for view, before in (
        (ViewRows({}, []), {}),
        (ViewRows({}, [{"rep_id": ""}]), {}),
        (ViewRows({}, [{"rep_id": "a"}] * 2), {}),
        (ViewRows({}, [{"rep_id": "a"}]), {HOSTILE: "text"}),
    ):
        with pytest.raises(ViewRefused) as refused:
            judge(view, (), before, NOW)
        yield refused.value.words


def _stamped() -> Iterator[Finding]:
    stamps = SourceStamps(1, HOSTILE, 40, 0, 0, 0, 40, 40, 5)
    lead = Stamp(1, "x", NOW, AGO)
    for source in (stamps, replace(stamps, source="", leads=1)):
        for shift in (None, timedelta(hours=8), timedelta(hours=-5.5)):
            for impact in (stamps_shifted._Impact(True, 3, AGO), stamps_shifted._Impact(True, 0, None)):
                said = stamps_shifted._sentence(TENANT, source, shift, [lead], impact)
                yield from plain("stamps_shifted", said)


def _held() -> Iterator[Finding]:
    for kind, state in (("transaction", ""), ("prepared", ""), ("standby", ""), ("slot", "in use"), ("slot", "no")):
        for of_what, since, wal in ((HOSTILE, AGO, 9 << 30), ("", None, 0)):
            yield vacuum_held_back.finding(HeldBack(kind, HOSTILE, of_what, "r", state, since, 9000, wal), scene())


def _stalls() -> Iterator[Finding]:
    """As they are stored, also where no service has looked since."""
    trends = {HOSTILE: Trend(missed=40.0), "all": Trend(0.0, 90.0, 10.0, 100.0)}
    seen: list[Stall] = rule_stalls(trends, [HOSTILE, "all"], frozenset({"all"}))
    hours = {hour: {"": 40} for day in range(2) for hour in same_hours(NOW - timedelta(hours=day), "UTC")}
    silent = intake_stopped(NOW, NOW - timedelta(hours=1, minutes=59), "UTC", hours, lambda _: False)
    assert silent is not None and {one.kind for one in seen} == {Kind.RULE_STOPPED, Kind.CATCH_ALL_TAKES_MORE}
    for stall in (*seen, silent):
        sentence = restored(str(stall.sentence), parts_of(stall.sentence))
        topic = TOPICS[stall.kind]
        for seen_at in (NOW, AGO):
            stored = StoredStall(1, 1, topic, stall.kind, "", AGO, seen_at, None, 1, AGO, {}, sentence)
            code = "intake_stopped" if stall is silent else "misrouted"
            yield from open_findings(scene(stalls=[stored]), code, (topic,))


CASES: dict[str, Callable[[], Any]] = {
    "blocked_nightly": lambda: [
        blocked_nightly._finding(_seen(HOSTILE, ("lead", "lane"), NOW)),
        blocked_nightly._finding(_seen("", (), None)),
    ],
    "caps_used_up": lambda: plain(
        "caps_used_up",
        caps_used_up._sentence(scene(), TENANT, SimpleNamespace(**{**vars(_waits(1)), "reason": "all_at_open_cap"})),  # type: ignore[arg-type]
        caps_used_up._sentence(scene(), TENANT, SimpleNamespace(**{**vars(_waits(2)), "reason": "all_at_daily_cap"})),  # type: ignore[arg-type]
    ),
    "cleanup_overdue": _runs,
    "clock_was_wrong": lambda: [clock_was_wrong._finding(TENANT, NOW, behind=behind) for behind in (True, False)],
    "clocks_differ": lambda: [
        *clocks_differ._of_routers([ProcessClock(HOSTILE, -90.0, True), ProcessClock("r", 7200.0, False)]),
        *clocks_differ._of_this_host(SimpleNamespace(at=NOW, host_at=AGO)),  # type: ignore[arg-type]
    ],
    "connections_short": _short,
    "database_busy": _busy,
    "disk_filling": lambda: [disk_filling._finding(HOSTILE, 1 << 29, 9 << 30)],
    "events_lagging": lambda: [one for one in _webhooks() if one and one.code == "events_lagging"],
    "groups_empty": lambda: plain("groups_empty", *(groups_empty._sentence(leads, HOSTILE) for leads in (1, 2))),
    "index_missing": lambda: [
        index_missing._finding(IndexTrouble(name, HOSTILE, gone, "create index"))
        for name in ("lead_pkey", "lead_x")
        for gone in (True, False)
    ],
    "intake_stopped": lambda: [one for one in _stalls() if one.code == "intake_stopped"],
    "journal_full": lambda: [one for one in _files() if one.code == "journal_full"],
    "journal_set_aside": lambda: [one for one in _files() if one.code == "journal_set_aside"],
    "leads_journalled": lambda: [one for one in _files() if one.code == "leads_journalled"],
    "maintenance_overrun": _turns,
    "members_unavailable": _away,
    "misrouted": lambda: [one for one in _stalls() if one.code == "misrouted"],
    "no_rule_matches": lambda: plain("no_rule_matches", *(no_rule_matches._sentence(n, HOSTILE) for n in (1, 2))),
    "nobody_takes_leads": lambda: plain(
        "nobody_takes_leads",
        nobody_takes_leads._sentence(LaneStatus(), 1, NOW, 0),
        nobody_takes_leads._sentence(LaneStatus(last_batch_at=AGO), 2, NOW, 1),
    ),
    "notify_failing": _channels,
    "pooler_saturated": lambda: pooler_saturated.findings(
        Pooler([Pool("db", HOSTILE, 5, 5, 3, 2.5)], 5, 9, 99, {"a": 30}), 20
    ),
    "presence_unknown": lambda: plain("presence_unknown", *(presence_unknown.SENTENCES[one] for one in Unsure)),
    "redis_trouble": _redis,
    "reps_without_group": lambda: [
        reps_without_group._finding(
            TENANT,
            [HOSTILE, *map(str, range(number))],
            [UnnamedGroup(HOSTILE, ("r1",), meant) for meant in (None, "x", None, None, "y")][:number],
        )
        for number in (0, 5)
    ],
    "reps_without_leads": lambda: [reps_without_leads._finding(TENANT, [NewRep(1, 1, HOSTILE, AGO, [1])])],
    "retries_repeating": lambda: [
        retries_repeating._finding(TENANT, [SentBack(1, HOSTILE, 3, AGO, NOW, number)] * number) for number in (1, 5)
    ],
    "roster_not_synced": lambda: [
        roster_not_synced._finding(HOSTILE, RosterSync(AGO, None, one, ())) for one in (HOSTILE, *_roster())
    ],
    "roster_not_understood": lambda: plain("x", *(worded("roster: {warning}", warning=one) for one in _roster())),
    "routers_crashing": lambda: [
        routers_crashing._finding(TENANT, LaneStatus(crashes=3, careful=careful)) for careful in (0, 1, 5)
    ],
    "rules_doubtful": lambda: [
        rules_doubtful._finding(
            TENANT, [LintFinding(Level.ERROR, Lint.EMPTY_GROUP, "rules", worded("weight 0"), name)] * number
        )
        for name, number in ((HOSTILE, 1), (None, 2))
    ],
    "stamps_shifted": _stamped,
    "tables_bloated": lambda: [
        tables_bloated._finding(scene(), DeadRows(HOSTILE, 5, 200_000, 9, at, off))
        for at, off in ((AGO, True), (None, False))
    ],
    "tenant_paused": lambda: plain(
        "tenant_paused",
        tenant_paused._sentence(Paused(NOW, HOSTILE, HOSTILE, AGO), 1, "x"),
        tenant_paused._sentence(Paused(NOW, "", None, None), 0, "x"),
    ),
    "vacuum_held_back": _held,
    "webhook_failing": lambda: [one for one in _webhooks() if one and one.code == "webhook_failing"],
    "zones_differ": lambda: [
        zones_differ._finding(scene(room=SimpleNamespace(time_zone="UTC")), TENANT, leads, 1, asks=True)
        for leads in (1, 2)
    ],
    "zones_doubtful": lambda: [
        zones_doubtful._finding(HOSTILE, [zones_doubtful._Doubt(of, zone, [HOSTILE])] * number)
        for of, number in (("tenant", 1), ("reps", 2), ("source", 3))
        for zone in ("EST", "Etc/GMT+8", "Factory")
    ],
    "could_not_check": lambda: [look._could_not("stalled", HOSTILE)],
}


def test_no_check_is_left_out() -> None:
    # `stalled` has the sentences of ops/stalls/judge.py: tests/unit/test_stalls_judge.py.
    assert CASES.keys() | ALONE == all_checks().keys() - {"stalled"} | {"could_not_check"}


@pytest.mark.parametrize("code", CASES)
def test_what_a_check_finds_is_said_in_chinese_whatever_is_in_it(code: str) -> None:
    shown = environment("zh").from_string("{{ (one|sentence_in).text|harmless }}")
    found = list(CASES[code]())
    assert found
    for one in found:
        assert one is not None
        said = in_chinese(one.document())
        # Names and numbers are all that stays; a sentence of ours would be three words or more.
        left = said.replace(HOSTILE, "").replace("rate limits", "")
        assert not re.search(r"\b[a-z]+ [a-z]+ [a-z]+\b", left.replace("reps set", "")), said
        assert said.count(HOSTILE) == one.sentence.count(HOSTILE), (said, one.sentence)
        assert sorted(re.findall(r"\d+", said)) == sorted(re.findall(r"\d+", one.sentence)), (said, one.sentence)
        page = shown.render(one=one.document())
        assert "<b>" not in page and "\x1b" not in page


def test_no_check_makes_a_sentence_that_a_page_cannot_say_in_another_language() -> None:
    """An f-string or a bare text as the sentence of a finding."""
    made = 0
    for file in (ROOT / "ops/doctor").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Finding":
                made += 1
                assert not isinstance(node.args[3], ast.JoinedStr | ast.Constant), f"{file}:{node.lineno}"
    assert made > 40
