"""Which sessions block us, judged without a database; and when the blocking watch acts."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from ops.blocking.overdue import Watched
from router.settings.model import LockSettings
from router.store.blocking.judge import (
    Activity,
    Kind,
    Limits,
    RowLocks,
    Session,
    TableLock,
    blocker_of_batches,
    blockers,
)
from router.telemetry.masking import mask_statement

AT = datetime(2026, 3, 2, 2, tzinfo=UTC)
LATER = AT.replace(hour=3)
FOREIGN = Session(10, "nightly", "crm", state="active", open_s=3.0, state_s=3.0, started_at=AT, since=AT, query_at=AT)
ROUTER = replace(FOREIGN, pid=20, application="lead-router", ours=True)
HAS_POOL = TableLock(10, "lead_pool", "AccessExclusiveLock", True)
ACT = LockSettings(cancel_foreign_after_s=10.0, terminate_foreign_after_s=60.0)


def kinds(activity: Activity, limits: Limits = Limits()) -> dict[int, list[Kind]]:
    return {one.session.pid: [h.kind for h in one.blocks] for one in blockers(activity, limits)}


def test_the_worst_stands_first_whatever_came_first() -> None:
    sessions = [replace(FOREIGN, pid=pid, open_s=100.0 - pid) for pid in (1, 2, 3, 4)]
    locks = [TableLock(3, "lead_pool", "ShareLock", True), TableLock(4, "lane", "AccessExclusiveLock", True)]
    rows = [RowLocks(1, "lead_pool", "acme", 5), RowLocks(2, "lead_pool", "acme", 50)]
    assert list(kinds(Activity(sessions, locks, rows))) == [4, 3, 2, 1]


def test_locks_that_are_in_nobodys_way_are_not_told() -> None:
    locks = [TableLock(10, "lead_pool", mode, True) for mode in ("RowShareLock", "RowExclusiveLock")]
    assert kinds(Activity([FOREIGN], locks)) == {}
    assert kinds(Activity([replace(FOREIGN, open_s=31.0)], locks)) == {10: [Kind.ROWS]}


def test_our_router_at_work_is_in_nobodys_way_until_it_takes_too_long() -> None:
    rows = [RowLocks(20, "lane", "acme", 1), RowLocks(20, "lead_pool", "acme", 9)]
    assert kinds(Activity([ROUTER], (), rows)) == {}
    slow = replace(ROUTER, open_s=29.0, state_s=0.2)
    assert kinds(Activity([slow], (), rows)) == {}
    for halted in (replace(slow, state_s=6.0), replace(slow, open_s=31.0)):
        assert kinds(Activity([halted], (), rows)) == {20: [Kind.LANE, Kind.ROWS]}
    # Own sessions may be given more time than others: then that holds.
    assert blockers(Activity([replace(slow, open_s=31.0, state_s=31.0)], (), rows), Limits(own_s=60.0)) == []
    frozen = replace(ROUTER, open_s=6.0, wait="Client:ClientWrite")
    assert kinds(Activity([frozen], (), rows)) == {20: [Kind.LANE, Kind.ROWS]}
    (blocker,) = blockers(Activity([frozen], (), rows), Limits())
    assert blocker.remedy == "terminate" and "does not answer the server" in blocker.blocks[0].words


def test_a_line_of_waiting_sessions_is_followed_to_its_head_and_a_circle_ends() -> None:
    ours = replace(ROUTER, waits_for=(1,))
    first, second = replace(FOREIGN, pid=1, waits_for=(2,)), replace(FOREIGN, pid=2, waits_for=(1,))
    assert kinds(Activity([ours, first, second])) == {1: [Kind.AWAITED], 2: [Kind.AWAITED]}


def test_a_session_whose_state_is_hidden_is_judged_by_its_locks() -> None:
    hidden = Session(10, "nightly", "crm", visible=False)
    (blocker,) = blockers(Activity([hidden], [HAS_POOL]), Limits())
    assert blocker.remedy == "terminate" and blocker.holds_leads


def test_who_has_a_table_is_named_before_who_wants_it() -> None:
    wants = TableLock(30, "lane", "AccessExclusiveLock", False)
    activity = Activity([replace(FOREIGN, pid=30, open_s=900.0), FOREIGN], [wants, HAS_POOL])
    found = blocker_of_batches(activity)
    assert found is not None and found.pid == 10
    assert blocker_of_batches(Activity([FOREIGN], [TableLock(10, "synonym", "ShareLock", True)])) is None


def actions(watched: Watched, activity: Activity, now_s: float) -> list[tuple[int, str]]:
    return [(one.blocker.session.pid, one.name) for one in watched.judge(activity, now_s).actions]


def test_sessions_of_others_are_left_alone_unless_limits_are_set() -> None:
    watched = Watched(LockSettings())
    assert [actions(watched, Activity([FOREIGN], [HAS_POOL]), now) for now in (0.0, 1e6)] == [[], []]


def test_a_statement_is_cancelled_once_and_its_session_ended_later() -> None:
    watched, activity = Watched(ACT), Activity([FOREIGN], [HAS_POOL])
    found = [actions(watched, activity, now) for now in (0.0, 9.0, 10.0, 20.0, 60.0)]
    assert found == [[], [], [(10, "cancel")], [], [(10, "terminate")]]


@pytest.mark.parametrize("later", [replace(FOREIGN, since=LATER), replace(FOREIGN, started_at=LATER)])
def test_time_counts_anew_with_another_transaction_or_another_session_of_that_number(later: Session) -> None:
    watched = Watched(ACT)
    assert actions(watched, Activity([FOREIGN], [HAS_POOL]), 0.0) == []
    assert actions(watched, Activity([later], [HAS_POOL]), 59.0) == []
    assert actions(watched, Activity([later], [HAS_POOL]), 68.0) == []


def test_time_counts_anew_when_it_was_out_of_the_way_meanwhile() -> None:
    watched = Watched(ACT)
    for now, locks in ((0.0, [HAS_POOL]), (30.0, []), (31.0, [HAS_POOL])):
        assert actions(watched, Activity([FOREIGN], locks), now) == []
    assert actions(watched, Activity([FOREIGN], [HAS_POOL]), 61.0) == [(10, "cancel")]


def test_a_migration_of_ours_under_another_role_is_never_ended() -> None:
    migrate = replace(FOREIGN, application="lead-router migrate")
    watched = Watched(ACT)
    assert [actions(watched, Activity([migrate], [HAS_POOL]), now) for now in (0.0, 1e6)] == [[], []]


def test_a_backend_of_ours_is_ended_when_nobody_reads_what_it_writes_and_not_while_it_works() -> None:
    lane = [TableLock(20, "lane", "RowShareLock", True)]
    writing = replace(ROUTER, wait="Client:ClientWrite", open_s=9.0)
    watched = Watched(LockSettings())
    assert [actions(watched, Activity([writing], lane), now) for now in (0.0, 4.9)] == [[], []]
    # It wrote on meanwhile: a slow reader is no frozen one.
    assert actions(watched, Activity([replace(writing, wait="")], lane), 5.0) == []
    assert [actions(watched, Activity([writing], lane), now) for now in (6.0, 10.9)] == [[], []]
    assert actions(watched, Activity([writing], lane), 11.0) == [(20, "terminate")]
    assert actions(watched, Activity([writing], ()), 30.0) == []


def test_a_backend_of_ours_that_is_idle_with_a_lane_is_ended_by_what_the_server_says() -> None:
    lane = [TableLock(20, "lane", "RowShareLock", True)]
    idle = replace(ROUTER, state="idle in transaction", wait="Client:ClientRead", state_s=5.0, open_s=7.0)
    assert actions(Watched(LockSettings()), Activity([idle], lane), 0.0) == [(20, "terminate")]
    assert actions(Watched(LockSettings()), Activity([replace(idle, state_s=4.9)], lane), 0.0) == []


@pytest.mark.parametrize(
    "sql",
    [
        "alter role x password 'hunter2'",
        "create user x with encrypted password E'hunter2''s' valid until 'x'",
        "alter role x password $a$hunter2 'x' $$ $a$",
        "alter role x password 'hunter2 cut",
        "select dblink('host=h password=hunter2')",
        "create subscription s connection 'postgresql://u:hunter2@h/d'",
    ],
)
def test_no_password_in_a_statement_is_shown(sql: str) -> None:
    assert "hunter2" not in mask_statement(sql)
    assert mask_statement("select password from users where id = 1") == "select password from users where id = 1"
