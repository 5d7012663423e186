"""Forms and webhooks, without a network: signatures, paths, bodies, addresses to go to, and files of sources."""

import base64
import hashlib
import hmac
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from router.domain.lead_in import LeadIn
from router.http.source_book import SourceBook
from router.intake.form_body import MULTIPART, URLENCODED, FormError, read_form
from router.intake.form_post import chosen_redirect, read_post
from router.intake.source_lead import ReadingContext, SourceReader, form_id
from router.intake.webhook_body import read_document
from router.intake.webhook_signature import BadSecret, SignatureWrong, check_secret, check_signature
from router.rules.json_paths import BadPath, parse_path, places_of, value_at, without
from router.rules.problems import InvalidFile
from router.rules.source_file import FormDoor, WebhookDoor, parse_source

STANDARD = WebhookDoor("standard-webhooks")
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
"""The vector of the specification's own libraries."""
VECTOR = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}
VECTOR_BODY = b'{"test": 2432232314}'
AT = datetime.fromtimestamp(1614265330, UTC)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=10,
)


def test_the_vector_of_standard_webhooks_is_accepted_and_no_other_body() -> None:
    assert check_signature(STANDARD, VECTOR, VECTOR_BODY, [SECRET], AT) == VECTOR["webhook-id"]
    assert check_signature(STANDARD, VECTOR, VECTOR_BODY, ["whsec_" + "A" * 32, SECRET[6:]], AT)
    several = {**VECTOR, "webhook-signature": f"v1,AAAA v2,x {VECTOR['webhook-signature']}"}
    assert check_signature(STANDARD, several, VECTOR_BODY, [SECRET], AT)
    for secrets in ([], ["whsec_" + "A" * 32]):
        with pytest.raises(SignatureWrong):
            check_signature(STANDARD, VECTOR, VECTOR_BODY, secrets, AT)


@given(
    body=st.text(st.characters(codec="utf-8"), max_size=50),
    webhook_id=st.from_regex(r"[A-Za-z0-9_-]{1,40}", fullmatch=True),
)
def test_what_the_library_of_the_standard_signs_is_accepted(body: str, webhook_id: str) -> None:
    signature = Webhook(SECRET).sign(webhook_id, AT, body)
    headers = {"webhook-id": webhook_id, "webhook-timestamp": "1614265330", "webhook-signature": signature}
    assert check_signature(STANDARD, headers, body.encode(), [SECRET], AT) == webhook_id


@given(place=st.integers(0, len(VECTOR_BODY) - 1), byte=st.integers(1, 255))
def test_a_changed_byte_breaks_the_signature(place: int, byte: int) -> None:
    body = bytearray(VECTOR_BODY)
    body[place] ^= byte
    with pytest.raises(SignatureWrong):
        check_signature(STANDARD, VECTOR, bytes(body), [SECRET], AT)


@given(seconds=st.integers(-100_000, 100_000))
def test_only_what_was_sent_within_the_window_is_taken(seconds: int) -> None:
    now = AT + timedelta(seconds=seconds)
    if abs(seconds) <= 300:
        check_signature(STANDARD, VECTOR, VECTOR_BODY, [SECRET], now)
    else:
        with pytest.raises(SignatureWrong, match="at most 300 s"):
            check_signature(STANDARD, VECTOR, VECTOR_BODY, [SECRET], now)


@given(
    headers=st.dictionaries(st.sampled_from(sorted(VECTOR)), st.text(max_size=30)),
    body=st.binary(max_size=50),
    encoding=st.sampled_from(["hex", "base64"]),
)
def test_any_headers_end_in_a_refusal_and_never_in_a_fault(headers: dict[str, str], body: bytes, encoding: str) -> None:
    generic = WebhookDoor("hmac-sha256", encoding=encoding)
    for door in (STANDARD, generic):
        with pytest.raises(SignatureWrong):
            check_signature(door, headers, body, [SECRET], AT)


def test_a_secret_of_another_scheme_is_not_an_empty_key_that_everybody_has() -> None:
    text = f"{VECTOR['webhook-id']}.{VECTOR['webhook-timestamp']}.".encode() + VECTOR_BODY
    signature = base64.b64encode(hmac.new(b"", text, hashlib.sha256).digest()).decode()
    with pytest.raises(SignatureWrong):
        check_signature(STANDARD, {**VECTOR, "webhook-signature": f"v1,{signature}"}, VECTOR_BODY, ["not base64!"], AT)


@pytest.mark.parametrize("between", [".", ":", "@", "-"])
def test_an_id_cannot_be_stretched_over_what_comes_after_it(between: str) -> None:
    signed = between.join(("{id}", "{timestamp}", "{body}"))
    door = WebhookDoor("hmac-sha256", encoding="hex", signed=signed)
    key = "sixteen letters.."
    text = between.join(("a", "1614265330", "1614265330", "x")).encode()
    signature = hmac.new(key.encode(), text, hashlib.sha256).hexdigest()
    headers = {"webhook-timestamp": "1614265330", "webhook-signature": signature}
    body = f"1614265330{between}x".encode()
    assert check_signature(door, {**headers, "webhook-id": "a"}, body, [key], AT) == "a"
    with pytest.raises(SignatureWrong):
        check_signature(door, {**headers, "webhook-id": f"a{between}1614265330"}, b"x", [key], AT)


def test_a_flood_of_wrong_signatures_pushes_nothing_else_out_of_the_book() -> None:
    book = SourceBook()
    book.refused((1, "crm"), AT, 422, "/name: 'secret' is wrong", "msg_1", b"body")
    for _ in range(200):
        book.refused((1, "crm"), AT, 401, "wrong", "", b"")
    rejects = book._notes[1, "crm"].all_rejects
    assert [one.status for one in rejects].count(422) == 1
    assert len(rejects) == 51
    assert "secret" not in str(rejects)


@pytest.mark.parametrize("secret", ["", "short", "whsec_!!!!!!!!!!!!!!!!!!!!!!!!", "whsec_" + "A" * 20, "ü" * 30])
def test_a_secret_that_is_none_is_refused_without_being_quoted(secret: str) -> None:
    with pytest.raises(BadSecret) as caught:
        check_secret("standard-webhooks", secret)
    assert not secret or secret not in str(caught.value)


@given(value=JSON, path=st.sampled_from(["a", "a.b", "a[0]", "a[1].b", "b.a[0].c", "a[b=x].c", "c[a.b=1].a"]))
def test_a_value_is_found_where_its_path_says_or_not_at_all(value: Any, path: str) -> None:
    places = places_of(value, parse_path(path))
    if places is None:
        return
    value_at(value, places)
    left = without(value, [places])
    assert str(left).count(":") <= str(value).count(":")
    if isinstance(places[-1], str):
        assert places_of(left, parse_path(path)) != places or "[" in path


def test_paths_find_items_by_what_is_in_them() -> None:
    body = {"answers": [{"field": {"ref": "mail"}, "email": "a"}, {"field": {"ref": "name"}, "text": "b"}], "n": [1, 2]}
    for path, wanted in (("answers[field.ref=name].text", "b"), ("answers[0].email", "a"), ("n[1]", 2)):
        places = places_of(body, parse_path(path))
        assert places is not None
        assert value_at(body, places) == wanted
    assert places_of(body, parse_path("answers[field.ref=phone].text")) is None
    for bad in ("a..b", ".a", "a[", "a]", "a[x]", "a.[0]", "a[0]b"):
        with pytest.raises(BadPath):
            parse_path(bad)


@given(fields=st.lists(st.tuples(st.text(min_size=1, max_size=8), st.text(max_size=8)), max_size=5))
def test_what_a_browser_sends_is_read_as_it_was_written(fields: list[tuple[str, str]]) -> None:
    from urllib.parse import urlencode

    fields = [(name, value) for name, value in fields if name.strip() and "\0" not in name and _encodable(name + value)]
    wanted = [(name.strip(), value) for name, value in fields]
    assert read_form(URLENCODED, urlencode(fields).encode()) == wanted
    plain = [(n, v) for n, v in wanted if not set(n) & set('"\\%\r\n') and n.isprintable()]
    parts = [f'--bound\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n' for n, v in plain]
    body = "".join(parts).encode() + b"--bound--\r\n"
    assert read_form(f"{MULTIPART}; boundary=bound", body) == plain


def _encodable(text: str) -> bool:
    return not any("\ud800" <= one <= "\udfff" for one in text)


@given(body=st.binary(max_size=200), kind=st.sampled_from([URLENCODED, MULTIPART, f"{MULTIPART}; boundary=a"]))
def test_any_bytes_are_a_form_or_refused(body: bytes, kind: str) -> None:
    for whole in (body, b"--a\r\n" + body + b"\r\n--a--"):
        try:
            read_form(kind, whole)
        except FormError as error:
            assert error.reason


@given(asked=st.text(max_size=40))
def test_nobody_is_sent_to_an_address_that_is_not_in_the_list(asked: str) -> None:
    allowed = ("https://a.example/1", "https://a.example/2")
    door = FormDoor(("https://a.example",), allowed)
    for text in (asked, allowed[1] + asked, allowed[1] + "@" + asked):
        assert chosen_redirect(door, text) in allowed
    assert chosen_redirect(door, allowed[1]) == allowed[1]
    assert chosen_redirect(FormDoor(("https://a.example",)), asked) is None


def test_a_honeypot_catches_only_what_is_written_into_it() -> None:
    door = FormDoor(("https://a.example",), honeypot="url")
    assert not read_post(door, URLENCODED, b"name=a&url=").trapped
    assert read_post(door, URLENCODED, b"name=a&url=x").trapped
    assert read_post(door, URLENCODED, b"name=a&url=").fields == {"name": "a"}


def test_the_id_of_a_form_is_the_same_for_the_same_words_on_the_same_day() -> None:
    lead = LeadIn("web", "-", name="Ada", attributes='{"text": "hello"}')
    day = date(2026, 11, 28)
    assert form_id(lead, day) == form_id(lead._replace(external_id="x"), day)
    others = [lead._replace(name="Bob"), lead._replace(attributes=None), lead._replace(email="Ada", name=None)]
    ids = {form_id(one, day) for one in [lead, *others]} | {form_id(lead, day + timedelta(days=1))}
    assert len(ids) == 5


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", "needs form: or webhook:"),
        ("rename: {a: name}", "one of form: and webhook:"),
        ("form: {}", "origins: is missing"),
        ("form: {origins: 'https://a.example/page'}", "must be scheme and host"),
        ("form: {origins: 'http://a.example'}", "must begin with https://"),
        ("form: {origins: 'https://*.example'}", "must be scheme and host"),
        ("form: {origins: 'https://a.example', redirects: 'javascript:alert(1)'}", "must be a whole address"),
        ("form: {origins: 'https://a.example', redirects: '//b.example'}", "must begin with https://"),
        ("form: {origins: 'https://a.example', failure_redirect: 'https://u@b.example'}", "must be a whole address"),
        ("webhook: {scheme: plain}", "unknown value plain"),
        ("webhook: {scheme: hmac-sha256}", "signature_header: is missing"),
        (
            "webhook: {scheme: hmac-sha256, signature_header: X, timestamp_header: T, signed: '{body}'}",
            "timestamp_header",
        ),
        ("webhook: {scheme: hmac-sha256, signature_header: X, signed: '{id}.{body}'}", "id_header"),
        ("webhook: {scheme: hmac-sha256, signature_header: X, signed: '{nonce}.{body}'}", "and no others"),
        ("webhook: {scheme: standard-webhooks, prefix: x}", "is not for the scheme"),
        ("webhook: {scheme: shared-key}", "key: is missing"),
        ("rename: {a..b: name}\nwebhook: {scheme: standard-webhooks}", "is not a path"),
        ("constants: {source: x}\nform: {origins: 'https://a.example'}", "the source's name"),
        ("form: {origins: 'https://a.example'}\nwebhook: {scheme: standard-webhooks}", "one of form: and webhook:"),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_the_reason(text: str, wanted: str) -> None:
    with pytest.raises(InvalidFile) as caught:
        parse_source(text, "s.yaml")
    assert wanted in str(caught.value)


@pytest.mark.parametrize("path", sorted(Path("config/examples").glob("source-*.yaml")), ids=lambda path: path.stem)
def test_the_examples_are_right(path: Path) -> None:
    assert parse_source(path.read_text("utf-8"), path.name).mapping.rename


def test_the_example_for_typeform_reads_what_typeform_sends() -> None:
    source = parse_source(Path("config/examples/source-typeform.yaml").read_text("utf-8"), "t")
    body = read_document(
        b"""{"event_id": "01J", "form_response": {
        "token": "a3a12ec67a1365927098a606107fac15",
        "submitted_at": "2026-01-18T18:17:02Z", "answers": [
        {"type": "text", "text": "Ada", "field": {"id": "x", "type": "short_text", "ref": "name"}},
        {"type": "email", "email": "ada@example.com", "field": {"id": "y", "type": "email", "ref": "email"}}]}}"""
    )
    (lead,) = SourceReader("typeform", source, ReadingContext(datetime(2026, 11, 28, tzinfo=UTC))).webhook_leads(
        body, "f"
    )
    assert isinstance(lead, LeadIn)
    assert (lead.external_id, lead.name, lead.email) == ("a3a12ec67a1365927098a606107fac15", "Ada", "ada@example.com")
    door = source.door
    assert isinstance(door, WebhookDoor)
    key = "the secret of the form"
    signature = base64.b64encode(hmac.new(key.encode(), b"x", hashlib.sha256).digest()).decode()
    assert check_signature(door, {"typeform-signature": f"sha256={signature}"}, b"x", [key], AT) is None


def test_an_id_that_a_program_sends_stays_as_it_is_whichever_way_it_comes() -> None:
    source = parse_source("webhook: {scheme: standard-webhooks}\nrename: {id: external_id, client: customer_id}", "s")
    body = [{"id": "1001.0", "client": "7.0"}]
    (lead,) = SourceReader("crm", source, ReadingContext(AT)).webhook_leads(body, "f")
    assert isinstance(lead, LeadIn)
    assert (lead.external_id, lead.declared_customer) == ("1001.0", "7.0")
