"""What is lost when a session that blocks us is ended, by what it does. Pure."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.blocking.ending_words import advice_of, wait_or_end
from ops.text.translation import translator
from router.store.blocking.activity import QUERY_SHOWN, _session
from router.store.blocking.elsewhere import Party, Wait
from router.store.blocking.judge import Kind, Session
from router.store.blocking.work import Work, work_elsewhere, work_of


@pytest.mark.parametrize(
    ("query", "work"),
    [
        ("VACUUM (FULL, ANALYZE) lead_pool", Work.SCHEMA),
        ("vacuum full lead_pool", Work.SCHEMA),
        ("vacuum (verbose) lead_pool", Work.VACUUM),
        ("vacuum(analyze) lead", Work.VACUUM),
        ("/* flyway */ ALTER TABLE lead ADD x int", Work.SCHEMA),
        ("-- nightly\ndelete from lead_pool where x", Work.CHANGE),
        ("with old as (delete from lead returning 1) select * from old", Work.CHANGE),
        ("select * from lead_pool where tenant_id = 1 for update", Work.CHANGE),
        ("select * from lead for no key update skip locked", Work.CHANGE),
        ("(select 1) union select 2", Work.READ),
        ("COPY public.lead (tenant_id) TO stdout;", Work.BACKUP),
        ("copy lead from stdin", Work.CHANGE),
        ("lock table lead in access exclusive mode", Work.SCHEMA),
        ("call nightly()", Work.CHANGE),
        ("", Work.UNKNOWN),
        ("begin", Work.UNKNOWN),
    ],
)
def test_a_statement_tells_what_would_be_lost(query: str, work: Work) -> None:
    assert work_of(Session(1, state="active", query=query)) is work


@pytest.mark.parametrize(
    ("session", "work"),
    [
        (Session(1, state="idle in transaction", query="update lead set x"), Work.IDLE),
        (Session(1, "pg_dump", state="idle in transaction", query="COPY"), Work.BACKUP),
        (Session(1, state="active", wait="Lock:relation", query="alter table lead add x int"), Work.QUEUED),
        (Session(1, state="active", wait="Lock:tuple", query="update lead set x = 1"), Work.CHANGE),
        (Session(1, backend="autovacuum worker", query="autovacuum: VACUUM public.lead"), Work.VACUUM),
        (Session(1, state="active", query="<insufficient privilege>", visible=False), Work.UNKNOWN),
        (Session(1, state="active", ours=True, query="update lead_pool"), Work.OURS),
        (Session(1, state="active", query="select pg_sleep(3600)", writes=True), Work.CHANGE),
        (Session(1, state="active", query="COPY lead TO stdout", writes=True), Work.BACKUP),
    ],
)
def test_who_it_is_and_what_it_waits_for_count_too(session: Session, work: Work) -> None:
    assert work_of(session) is work


@pytest.mark.parametrize(
    "query", [f"select {'a, ' * 200} b from lead_pool for update", f"-- the {'very ' * 50} old ones\ndelete from lead"]
)
def test_a_statement_counts_as_a_whole_though_only_its_beginning_is_shown(query: str) -> None:
    row = {"pid": 1, "state": "active", "query": query, "visible": True, "waits_for": None, "writes": False}
    session = _session(row)  # type: ignore[arg-type]
    assert (work_of(session), len(session.query)) == (Work.CHANGE, QUERY_SHOWN)


@pytest.mark.parametrize(
    ("holds", "work"),
    [(Kind.TABLE_LOCK, Work.SCHEMA), (Kind.LANE, Work.CHANGE), (Kind.ROWS, Work.CHANGE), (Kind.AWAITED, Work.READ)],
)
def test_who_reads_now_and_has_locks_of_what_it_did_before_loses_that(holds: Kind, work: Work) -> None:
    assert work_of(Session(1, state="active", query="select count(*) from lead_pool"), [holds]) is work


def party(pid: int = 1, statement: str = "", application: str = "psql", state: str = "active") -> Party:
    return Party(pid, "db2:5432", application, "ann", state, statement[:100], None, statement)


@pytest.mark.parametrize(
    ("blocking", "waits_with", "work"),
    [
        (party(state="idle in transaction"), "update lead set x = 1", Work.IDLE),
        (party(statement="alter table lead add x int"), "update lead set x = 1", Work.SCHEMA),
        (party(statement="select pg_sleep(60)"), "update lead set x = 1", Work.CHANGE),
        (party(statement="select pg_sleep(60)"), "alter table lead add x int", Work.READ),
        (party(statement=f"/* {'x' * 200} */ delete from lead"), "update lead set x = 1", Work.CHANGE),
        (party(statement="COPY lead TO stdout"), "alter table lead add x int", Work.BACKUP),
        (party(application="pg_dump"), "alter table lead add x int", Work.BACKUP),
        (party(statement="autovacuum: VACUUM public.lead_102"), "alter table lead add x int", Work.VACUUM),
        (party(application="lead-router 16 host-1"), "update lead set x = 1", Work.OURS),
        (party(state=""), "update lead set x = 1", Work.UNKNOWN),
    ],
)
def test_who_is_waited_for_on_another_server_loses_what_its_statement_and_the_wait_tell(
    blocking: Party, waits_with: str, work: Work
) -> None:
    assert work_elsewhere(Wait(party(2, waits_with), blocking)) is work


def test_a_migration_that_waits_itself_on_another_server_has_not_begun() -> None:
    first = Wait(party(2, "update lead set x = 1"), party(1, "alter table lead add x int"))
    behind = Wait(party(1, "alter table lead add x int"), party(3, state="idle in transaction"))
    assert work_elsewhere(first, [first]) is Work.SCHEMA
    assert work_elsewhere(first, [first, behind]) is Work.QUEUED


@given(st.text(max_size=300), st.text(max_size=20), st.sampled_from(["active", "idle in transaction", ""]))
def test_any_statement_gets_an_advice_in_both_languages(query: str, application: str, state: str) -> None:
    work = work_of(Session(1, application, state=state, query=query))
    english, chinese = (wait_or_end(work, translator(language)) for language in ("en", "zh"))
    assert english and chinese and english != chinese


def test_a_finding_of_a_later_release_or_without_proof_gets_none() -> None:
    say = translator("en")
    assert advice_of({"evidence": []}, say) == advice_of({"evidence": [{"process": 1}]}, say) == ""
    assert wait_or_end("something new", say) == ""
