"""While a server with rows of tenants is away one of these tries for all, and the others' slots stay free."""

from hypothesis import given
from hypothesis import strategies as st

from router.drain.servers_away import ServersAway

ONE, TWO = "db1:5432", "db2:5432"


def away(**tenants: str) -> ServersAway:
    """Tenants t1, t2, … have met that their servers are away, at 0."""
    made = ServersAway(float)
    for name, server in tenants.items():
        made.failed(int(name[1:]), server, "refused", 0.0)
    return made


def test_one_tenant_tries_and_the_others_of_its_server_wait_for_how_that_ends() -> None:
    servers = away(t1=ONE, t2=ONE, t3=TWO)
    assert all(servers.holds_back(tenant, 0.5) for tenant in (1, 2, 3))
    assert servers.due(0.5) == []
    assert servers.due(5.0) == [1, 3]
    servers.begins(1)
    assert not servers.holds_back(1, 5.0)
    assert servers.holds_back(2, 5.0)
    assert not servers.holds_back(3, 5.0)
    assert servers.due(5.0) == [3]
    servers.ends(1)
    assert not servers.holds_back(2, 5.0)


def test_a_tenant_with_a_trouble_of_its_own_keeps_the_others_of_its_server_not_waiting() -> None:
    servers = away(t1=ONE, t2=ONE, t3=TWO)
    servers.begins(1)
    servers.failed_otherwise(1)
    servers.ends(1)
    assert servers.due(5.0) == [2, 3]
    servers.failed_otherwise(9)
    assert servers.is_of(9) is None


def test_when_one_was_done_all_of_its_server_go_on() -> None:
    servers = away(t1=ONE, t2=ONE, t3=TWO)
    servers.answered(1)
    assert not any(servers.holds_back(tenant, 0.0) for tenant in (1, 2))
    assert servers.holds_back(3, 0.0)
    # It may have been moved meanwhile: what was known of it is forgotten.
    servers.failed(3, ONE, "refused", 0.0)
    assert servers.is_of(2) is None


def test_an_answer_to_all_ends_it_for_all() -> None:
    servers = away()
    servers.unanswered({1: (ONE, "refused"), 3: (TWO, "refused")}, 0.0)
    servers.all_answered(0.5)
    assert not servers.servers
    assert not servers.holds_back(1, 0.5)


def test_a_server_that_answers_and_writes_nothing_is_back_when_a_batch_was_done() -> None:
    servers = away(t1=ONE, t2=ONE)
    servers.unanswered({3: (TWO, "refused")}, 0.0)
    servers.all_answered(0.5)
    assert servers.servers.keys() == {ONE}
    assert [servers.holds_back(tenant, 0.5) for tenant in (1, 2, 3)] == [True, True, False]
    # Attempts become rarer, and it is reported.
    assert servers.failed(1, ONE, "disk full", 4.0) == 3.0
    assert servers.report(str) != []
    # Nothing is tried any more: none of its tenants has work, or they were moved.
    servers.all_answered(60.0)
    assert not servers.of_tenant


def test_attempts_come_less_often_while_it_lasts() -> None:
    servers = away(t1=ONE)
    pauses = [servers.failed(1, ONE, "refused", 10.0 * n) for n in range(1, 4)]
    assert pauses == [2.0, 3.0, 4.0]


def test_a_search_tells_of_tenants_that_have_not_failed_yet() -> None:
    servers = away()
    servers.unanswered({5: (ONE, "refused"), 6: (ONE, "refused")}, 0.0)
    assert servers.holds_back(6, 0.5)
    assert servers.report(str) == []  # once is a moment's trouble
    servers.failed(5, ONE, "refused", 1.0)
    assert servers.report(lambda tenant: f"t{tenant}") == [
        "server db1:5432 does not answer: its tenants (t5 and 1 more) wait, others go on: refused"
    ]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["failed", "begins", "ends", "answered", "unanswered", "all"]),
            st.integers(1, 6),
            st.sampled_from([ONE, TWO]),
        )
    )
)
def test_whatever_happens_at_most_one_tenant_of_a_server_tries_and_nobody_waits_for_ever(
    events: list[tuple[str, int, str]],
) -> None:
    servers, trying, now = away(), set[int](), 0.0
    for what, tenant, server in events:
        now += 1.0
        if what == "failed":
            servers.failed(tenant, server, "refused", now)
            servers.ends(tenant)
            trying.discard(tenant)
        elif what == "begins" and not servers.holds_back(tenant, now):
            servers.begins(tenant)
            trying.add(tenant)
        elif what == "ends":
            servers.ends(tenant)
            trying.discard(tenant)
        elif what == "answered":
            servers.answered(tenant)
        elif what == "unanswered":
            servers.unanswered({tenant: (server, "refused")}, now)
        elif what == "all":
            servers.all_answered(now)
    for tenant in trying:
        servers.ends(tenant)
    later = now + 1_000.0
    # Each server that is away has a tenant to try it, and no other tenant is kept from work.
    assert {servers.of_tenant[tenant] for tenant in servers.due(later)} == servers.servers.keys()
    assert not any(servers.holds_back(tenant, later) for tenant in range(1, 7))
