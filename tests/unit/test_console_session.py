"""Sessions of the console: what was not signed with this key, or is over, or is of another kind, opens nothing."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.console.same_origin import is_own, local_path
from ops.console.session import KEY_BYTES, Session, Sessions
from router.domain.access import TokenKey

HERE = Sessions(bytes(range(KEY_BYTES)))
THERE = Sessions(bytes(range(1, KEY_BYTES + 1)))
SESSIONS = st.builds(
    Session,
    st.builds(TokenKey, st.integers(0, 2**31), st.text(max_size=8), st.binary(min_size=32, max_size=32)),
    st.text(max_size=30),
    st.integers(2, 2**40),
)


@given(SESSIONS)
def test_a_session_is_read_back_until_it_is_over_and_by_nobody_else(session: Session) -> None:
    text = HERE.written(session)
    assert HERE.read(text, session.until - 1) == session
    assert HERE.read(text, session.until) is None
    assert THERE.read(text, 0) is None


@given(SESSIONS, st.data())
def test_a_changed_cookie_opens_nothing(session: Session, data: st.DataObject) -> None:
    text = HERE.written(session)
    at = data.draw(st.integers(0, len(text) - 1))
    changed = text[:at] + data.draw(st.sampled_from("ABCxyz019-_.")) + text[at + 1 :]
    found = HERE.read(changed, 0)
    # The last letter of base64 has bits that mean nothing.
    assert found is None or found == session
    assert HERE.read(text[:at], 0) is None


@given(st.text() | st.binary(max_size=99).map(lambda body: base64.urlsafe_b64encode(body).decode()))
def test_whatever_stands_in_the_cookie_is_read_without_a_crash(text: str) -> None:
    assert HERE.read(text, 0) is None
    assert HERE.read_notice(text) is None


@given(SESSIONS, SESSIONS)
def test_a_form_of_another_login_is_refused(one: Session, other: Session) -> None:
    assert HERE.is_form_token(one, HERE.form_token(one))
    assert HERE.is_form_token(one, HERE.form_token(other)) is (one.nonce == other.nonce)
    assert not THERE.is_form_token(one, HERE.form_token(one))


@given(st.text(max_size=200))
def test_a_notice_is_no_session_and_a_session_no_notice(text: str) -> None:
    written = HERE.written_notice(text)
    assert HERE.read(written, 0) is None
    assert HERE.read_notice(written) == text.encode("utf-8", "replace").decode()
    assert HERE.read_notice(HERE.written(Session(TokenKey(0, "a", b"b"), "n", 9))) is None


def test_a_short_key_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 32 bytes"):
        Sessions(b"short")


@pytest.mark.parametrize(
    ("headers", "own"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, True),
        ({"Sec-Fetch-Site": "same-site", "Origin": "http://console", "Host": "console"}, False),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "none"}, False),
        ({"Origin": "http://console:8382", "Host": "console:8382"}, True),
        ({"Origin": "http://CONSOLE", "Host": "console"}, True),
        ({"Origin": "http://evil", "Host": "console"}, False),
        ({"Origin": "http://console.evil", "Host": "console"}, False),
        ({"Origin": "null", "Host": "console"}, False),
        ({"Origin": "", "Host": ""}, False),
        ({"Host": "console"}, False),
    ],
)
def test_only_the_console_s_own_pages_may_send_forms(headers: dict[str, str], own: bool) -> None:
    assert is_own(headers) is own


@pytest.mark.parametrize("text", ["/", "/leads?q=1&state=waiting", "/线索"])
def test_going_back_to_a_page_of_the_console_is_possible(text: str) -> None:
    assert local_path(text) == text


@pytest.mark.parametrize(
    "text", ["", "leads", "//evil.example", "https://evil.example", "/\\evil", "/a\r\nSet-Cookie: x", "/" + "a" * 3000]
)
def test_going_back_leads_nowhere_else(text: str) -> None:
    assert local_path(text) == "/"
