"""Which idle sessions go when others have all connections: never ours, never one at work, the longest idle first."""

import shlex

from hypothesis import given
from hypothesis import strategies as st

from ops.doctor.idle_sessions import LIST, freeing
from router.store.connections.client_sessions import ClientSession, Which, chosen

sessions = st.lists(
    st.builds(
        ClientSession,
        pid=st.integers(1, 99_999),
        application=st.sampled_from(["", "crm", "-x", "re porting'; drop", "lead-router"]),
        role=st.sampled_from(["app", "report"]),
        state=st.sampled_from(["", "active", "idle", "idle in transaction", "idle in transaction (aborted)"]),
        state_s=st.none() | st.floats(0, 10_000),
        ours=st.booleans(),
    ),
    max_size=40,
)
whiches = st.builds(
    Which, st.sampled_from(["", "crm", "lead-router"]), st.floats(1, 5_000), st.none() | st.just("app"), st.booleans()
)


@given(sessions, whiches)
def test_a_session_that_works_or_is_ours_is_never_ended(all_: list[ClientSession], which: Which) -> None:
    found = chosen(all_, which)
    for one in found:
        assert not one.ours
        assert one.application == which.application
        assert one.state == "idle" or (which.in_transaction and one.state.startswith("idle in transaction"))
        assert (one.state_s or 0) >= which.idle_s
    ages = [one.state_s or 0 for one in found]
    assert ages == sorted(ages, reverse=True)


@given(sessions, st.integers(0, 50))
def test_the_printed_command_ends_something_and_of_whom_most_are_idle(all_: list[ClientSession], wanted: int) -> None:
    command = freeing(all_, wanted)
    idle = [one for one in all_ if not one.ours and one.idle_for(1.0)]
    if not idle:
        assert command == LIST
        return
    words = shlex.split(command)
    application = words[3].removeprefix("--application=")
    span = {"1h": 3600, "10m": 600, "60s": 60, "10s": 10, "1s": 1}[words[5]]
    assert words[6] == "--dry-run"
    by_application = [one.application for one in idle]
    assert by_application.count(application) == max(map(by_application.count, by_application))
    ended = len(chosen(all_, Which(application, span)))
    assert ended >= min(by_application.count(application), max(wanted, 10))


def test_those_that_have_been_idle_for_an_hour_are_preferred_to_those_of_a_second() -> None:
    old = [ClientSession(pid, "crm", "app", state="idle", state_s=4_000.0) for pid in range(20)]
    new = [ClientSession(100 + pid, "crm", "app", state="idle", state_s=2.0) for pid in range(20)]
    assert "--idle-for 1h" in freeing(old + new, 8)
    assert "--idle-for 1s" in freeing(old + new, 30)
