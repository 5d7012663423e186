"""Errors about a server that has rows name it, as Citus writes them; no text of a lead can make one."""

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.store.errors import Trouble, is_away, server_of, stores_later, trouble_of
from router.store.other_server import other_server

HOSTS = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,60}", fullmatch=True) | st.ip_addresses().map(str)
PORTS = st.integers(1, 65_535)
USERS = st.sampled_from(["", "router@", "a.b-c@", "mail@example.com@"])
FORMS = [
    ("08006", "connection to the remote node {user}{host}:{port} failed"),
    ("08006", "connection to the remote node {user}{host}:{port} failed with the following error: {why}"),
    ("08006", "could not establish any connections to the node {host}:{port} after 3000 ms"),
    ("XX000", "failure on connection marked as essential: {host}:{port}"),
    ("08006", "connection error: {host}:{port}"),
    ("08006", "failed to connect to {host}:{port}"),
    (
        "XX000",
        "citus.max_shared_pool_size connections are already established to the node {host}:{port},so cannot "
        "establish any more connections",
    ),
]
WITHIN = ["57P01", "57P03", "53300", "53100", "58030", "25006", "08003"]


@pytest.mark.parametrize(("state", "form"), FORMS)
@given(host=HOSTS, port=PORTS, user=USERS, why=st.text())
def test_the_server_is_found_in_what_citus_says(
    state: str, form: str, host: str, port: int, user: str, why: str
) -> None:
    said = form.format(user=user, host=host, port=port, why=why)
    assert other_server(state, said) == f"{host}:{port}"


@given(state=st.sampled_from(WITHIN), message=st.text(), host=HOSTS, port=PORTS, before=st.text())
def test_what_a_server_refused_itself_is_found_by_where_it_was_asked(
    state: str, message: str, host: str, port: int, before: str
) -> None:
    context = f"{before}\nwhile executing command on {host}:{port}"
    found = other_server(state, message, context)
    # A message or a context that looks like one of Citus' by itself may name another.
    assert found == f"{host}:{port}" or "while executing" in before or other_server(state, message) == found


@given(
    state=st.sampled_from(["23505", "23514", "22021", "P0001", "42P01", "55P03", "57014", "40001", "54000", "28P01"]),
    host=HOSTS,
    port=PORTS,
)
def test_an_error_of_a_row_names_no_server_whatever_the_row_says(state: str, host: str, port: int) -> None:
    hostile = f"connection to the remote node {host}:{port} failed"
    assert other_server(state, hostile, f"while executing command on {host}:{port}") is None


@given(state=st.text(max_size=5) | st.sampled_from(["08006", "XX000", *WITHIN]), message=st.text(), context=st.text())
def test_whatever_is_said_a_server_is_a_host_with_a_port_or_none(state: str, message: str, context: str) -> None:
    found = other_server(state, message, context)
    if found is not None:
        host, _, port = found.rpartition(":")
        assert host.isprintable()
        assert not any(letter.isspace() for letter in host)
        assert port.isdigit()
        assert found in message or found in context


def test_an_error_in_the_middle_of_a_text_names_none() -> None:
    assert other_server("XX000", "unexpected: failure on connection marked as essential: db1:5432") is None


def test_our_own_server_is_none_of_the_others() -> None:
    for error in (
        ConnectionRefusedError("[Errno 111] Connect call failed ('10.0.0.1', 5432)"),
        asyncpg.CannotConnectNowError("the database system is starting up"),
        asyncpg.ProtocolViolationError("server_login_retry: db0:5432 is away"),
        asyncpg.TooManyConnectionsError("sorry, too many clients already"),
        TimeoutError(),
    ):
        assert server_of(error) is None


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.ConnectionFailureError("connection to the remote node db1:5432 failed"),
        asyncpg.InternalServerError("failure on connection marked as essential: db1:5432"),
    ],
)
def test_a_server_that_is_away_is_tried_again_soon_and_leads_go_into_the_journal(error: Exception) -> None:
    assert server_of(error) == "db1:5432"
    assert trouble_of(error) is Trouble.UNREACHABLE
    assert is_away(error)
    assert stores_later(error)


def test_another_internal_error_is_still_for_a_person() -> None:
    assert trouble_of(asyncpg.InternalServerError("cache lookup failed for type 1")) is Trouble.FOR_A_PERSON
