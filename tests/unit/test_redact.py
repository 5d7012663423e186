"""Nothing leaves in an archive that must not leave, and what a diagnosis needs stays."""

import json
from datetime import UTC, datetime
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.bundle.notes import doctor_without_notes
from ops.bundle.redact import LEFT_OUT, Redactor, notes_in, secrets_in
from ops.doctor.document import document
from ops.doctor.look import Checked
from router.domain.worded import worded


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("postgresql://ann:s3cret@db/x", "s3cret"),
        ("host=db password='s3 cret' user=x", "s3 cret"),
        ("alter role x password 's3cret'", "s3cret"),
        ("pwd: s3cret", "s3cret"),
        ("api_key=s3cret&x=1", "s3cret"),
        ("Authorization: Bearer s3cret", "s3cret"),
        ("psql --password s3cret", "s3cret"),
        ('password="s3 cret"', "cret"),
        ("Authorization: Basic c2VjcmV0OnM=", "c2VjcmV0"),
        ("curl -H 'authorization: Token s3cret' x", "s3cret"),
        ('{"Authorization":"Basic s3cret"', "s3cret"),
        ("sent Basic c2VjcmV0OnM= to it", "c2VjcmV0"),
        ("private_key=s3cret", "s3cret"),
        ("aws_secret_access_key=s3c/ret+", "s3c"),
        ("AWS_ACCESS_KEY_ID: s3cret", "s3cret"),
        ("access_key='s3 cret'", "cret"),
        ("accessKey=s3cret", "s3cret"),
        (r"{\"token\":\"s3 cret\"}", "cret"),
        ("Cookie: a=1; session=s3cret; b=2", "s3cret"),
        ("Set-Cookie: session=s3cret; Path=/", "s3cret"),
        ("X-Api-Key: s3cret", "s3cret"),
        ("https://s3cret@host/x", "s3cret"),
        ("https://s3cret:x-oauth-basic@host/x", "s3cret"),
        ("redis://s3cret@cache:6379/0", "s3cret"),
        ("GET /hook?key=0b7f2a53-1111-4222-8333-abcdefabcdef HTTP/1.1", "0b7f2a53"),
        ("GET /lead?name=Petra%20Planted&n=%E5%BC%A0%E4%BC%9F HTTP/1.1", "Petra"),
        ("GET /lead?name=Petra%20Planted&n=%E5%BC%A0%E4%BC%9F HTTP/1.1", "%E5%BC%A0"),
        ("https://crm.example.com/find?Petra+Planted", "Petra"),
        ("POST /customers/Petra%20Planted/leads", "Petra"),
        ("body: n=1&who=Petra+Planted", "Petra"),
        ("to pp%40example.com", "pp%40"),
        ("138\u30000013\u30008000", "8000"),
        ("138\u00a00013\u00a08000", "8000"),
        *((f"138{chr(dash)}0013{chr(dash)}8000", "8000") for dash in range(0x2010, 0x2016)),
        ("＋86 （021）6234－5678", "5678"),
        ("138 - 0013 - 8000", "8000"),
        ("used eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc", "eyJ"),
        ("call 13800138000", "13800138000"),
        ("phone:13800138000: no answer", "13800138000"),
        ("电话13800138000。", "13800138000"),
        ("+86 138-0013-8000", "0013"),
        ("(021) 6234-5678", "6234"),
        ("１３８００１３８０００", "１３８"),
        *((f"{word} 13800138000", "13800138000") for word in ("number", "customer", "line", "key", "hotline", "keys")),
        ("mislead 62345678", "62345678"),
        ("lead 13800138000", "13800138000"),
        ("batch 138 0013 8000", "0013"),
        ("mail zhang.wei@example.com, please", "zhang.wei"),
        ("mailto:zhang.wei@example.com", "zhang.wei"),
        ("UniqueViolation: duplicate\nDETAIL:  Key (name)=(Zhang Wei) already exists.", "Zhang"),
        ('invalid input syntax for type integer: "Zhang Wei"', "Zhang"),
        ("Failing row contains (1, Zhang Wei (Mr), 5).", "Zhang"),
        ("roster: rep 7: available: 'Zhang Wei' is not understood", "Zhang"),
        ("name “Zhang Wei”", "Zhang"),
    ],
)
def test_what_must_not_leave_is_taken_out_of_texts(text: str, secret: str) -> None:
    assert secret not in Redactor().text(text)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-28T09:40:00.123456+00:00",
        "since 2026-11-28 09:40:31 UTC",
        "2026-11-28 00:00",
        "lead 123456789",
        "tenant 12345678, batch 987654321, version 10203040",
        "vm 9f8b6c1e-1234-4567-8901-abcdefabcdef pid:[4026531836]",
        "process 4194304 (from 192.168.100.200)",
        "Connect call failed ('127.0.0.1', 5432)",
        "http://10.20.30.40:8380/readyz",
        "postgresql://router:***@db.example.com/router",
        "postgresql://router@db.example.com/router",
        "1,234,567 leads wait",
        "9f8b6c1e-1234-4567-8901-abcdefabcdef 12345678-abcd-4321-8765-123456789012",
        "took 12.3456789 s",
        "PostgreSQL 18.1 on x86_64",
        "acme: 1 active rep in no group: b; no rule gives them leads",
        "password authentication failed",
        "redis://cache:6379/0 and http://db.example.com/x",
        "Basic checks",
        "postgresql://router@db.example.com/router?sslmode=verify-full&connect_timeout=5",
        "select ? where x = ? or is it fine?",
        "GET /readyz HTTP/1.1",
        "50% of 99%, 30%ab",
    ],
)
def test_what_a_diagnosis_needs_stays(text: str) -> None:
    assert Redactor().text(text) == text


# None of these occurs in what replaces it, or in the syntax of JSON.
PASSWORD = st.text("ZQ密ß%@&é", min_size=3, max_size=9)
AROUND = st.text("ab '\"=:/\\\n", max_size=9)


@given(PASSWORD, AROUND, AROUND)
def test_a_password_that_is_known_stands_nowhere(password: str, before: str, after: str) -> None:
    redactor = Redactor([password])
    for shown in (
        redactor.text(before + password + after),
        json.dumps(redactor.document({before: [password, {"x": before + password}]}), ensure_ascii=False),
        redactor.log_line(json.dumps({"event": password + after})),
        redactor.log_line(before + password + after),
    ):
        assert password not in shown


def test_the_passwords_of_urls_and_variables_are_known_in_all_their_spellings() -> None:
    urls = ["postgresql://ann:s%40cret@db/x?sslpassword=k3y", None, "redis://:r3dis@cache", "redis://[broken"]
    found = secrets_in(urls, {"PGPASSWORD": "pg", "PWD": "/home", "LEAD_ROUTER_X_TOKEN": "t0ken", "GIT_TOKEN": "other"})
    assert found == {"s%40cret", "s@cret", "k3y", "r3dis", "pg", "t0ken"}


def test_settings_that_are_called_like_secrets_have_no_value_and_statements_no_literals() -> None:
    shown = Redactor().document(
        [
            {"setting": "app.password", "value": "hunter2"},
            {"action": "configure", "subject": "server: my.api_key", "before": "hunter2", "after": "hunter3"},
            {"db_secret": "hunter2", "query": "update lead set name = 'Zhang Wei' where phone = 13800138000 -- Zhang"},
            {"setting": "work_mem", "value": "4MB"},
        ]
    )
    assert "hunter" not in str(shown)
    assert "Zhang" not in str(shown)
    assert "update lead set name" in shown[2]["query"]
    assert shown[3]["value"] == "4MB"


@pytest.mark.parametrize("value", ["hunter2", 471147, 47.1147, ["hunter2"], {"x": "hunter2"}])
def test_a_value_of_any_type_under_the_key_of_a_secret_is_taken_out(value: object) -> None:
    for key in ("password", "client_secret", "aws_access_key_id", "privateKey", "Authorization", "set-cookie"):
        assert Redactor().document({key: value}) == {key: "***"}
    assert Redactor().document({"password": None, "token_set": True}) == {"password": None, "token_set": True}


def test_what_operators_wrote_is_left_out_wherever_it_stands_unless_it_is_wanted() -> None:
    document = {
        "changes": [{"action": "pause", "why": "Zhang Wei complained"}],
        "sentence": "paused: Zhang Wei complained",
        "checks": [{"result": "not_applicable", "why": "no router works"}],
    }
    shown = Redactor(written=list(notes_in(document))).document(document)
    assert "Zhang" not in str(shown)
    assert shown["changes"][0]["why"] == LEFT_OUT
    assert shown["checks"][0]["why"] == "no router works"
    assert Redactor().document(document)["changes"][0]["why"] == "Zhang Wei complained"


def test_a_line_of_a_log_stays_one_of_json_also_behind_what_a_collector_writes() -> None:
    event = {"event": "refused", "name": "Zhang Wei", "phone": 13800138000, "password": "x1", "pid": 13800138}
    for before in ("", "Nov 28 host lead-router[1]: "):
        shown = Redactor().log_line(before + json.dumps(event))
        assert shown.startswith(before)
        told = json.loads(shown.removeprefix(before))
        assert told == {"event": "refused", "name": "***", "phone": "***", "password": "***", "pid": 13800138}
    assert "13800138000" not in Redactor().log_line("{not json 13800138000")


LEAKS = ("Petra", "Planted", "张伟", "13800138000", "Atlantis")


@pytest.mark.parametrize(
    "line",
    [
        *(f'{{"{key}":"Petra Planted"}}' for key in ("customerName", "full_name", "Contact-Person", "e_mail", "姓名")),
        *(f'{{"{key}": 13800138000}}' for key in ("x", "tel", "mobilePhone", "电话", "phones")),
        '{"x": [13800138000, {"手机": ["13800138000"]}], "companies": ["Atlantis"]}',
        '[{"name":"Petra"},{"lead":{"company_name":"Atlantis"}}]',
        'a [1] b: [{"name":"Petra"}] and {"tel":"1"}, {"name": "张伟"} from 13800138000',
        json.dumps({"log": json.dumps({"event": "x", "name": "Petra"}) + "\n", "stream": "stderr"}),
        json.dumps({"log": json.dumps({"log": json.dumps({"phone": 13800138000})})}),
        '{"event":"cut off","name":"Petra Planted","tel":13800138000,"x":"Plan',
        '{"event":"cut off","contacts":["Petra","Planted"',
        r'msg="{\"name\":\"Petra Planted\",\"contact\":{\"x\":\"张伟\"}}" level=info',
        "{'name': 'Petra', 'company': 'Atlantis'}",
        'level=info name="Petra Planted" company=Atlantis',
        "body: name=Petra&company=Atlantis",
        '{"request":"GET /x?name=Petra%20Planted HTTP/1.1"}',
        '{"query":"name=Petra&n=Atlantis"}',
        "[" * 100_000 + "Petra",
    ],
)
def test_what_is_called_as_something_about_a_person_is_taken_out_of_a_log_of_any_form(line: str) -> None:
    shown = Redactor().log_line(line)
    assert [leak for leak in LEAKS if leak in shown] == []


@pytest.mark.parametrize(
    "line",
    [
        '{"tenant": "acme", "rule": "r1", "rule_name": "big", "group_name": "all", "tenantName": "acme", "code": "x"}',
        '{"application_name": "router", "hostname": "h", "logger_name": "l", "kubernetes": {"container_name": "c"}}',
        '{"remote_address": "10.0.0.1:5432", "addr": "::1", "mail_sent": true, "name": null}',
        '{"batch_id": 123456789012, "took_ms": 1234567890, "ts": 1764340000, "created_at": 1764340000123, "pid": 17}',
        '{"lead": 1234567890, "sizeBytes": 12345678901, "x": 123456789, "y": 1.5, "z": [1, 2]}',
        "router[17]: tenant=acme host=db application_name=x remote_address=10.0.0.1 took 5 [1, 2]",
    ],
)
def test_what_a_log_says_of_the_service_stays(line: str) -> None:
    assert Redactor().log_line(line) == line


@pytest.mark.parametrize(
    "piece", ["a", "1", "1 ", "token", "a=b ", '"a":"', "a.", "%20", "/a", "\\", "?a=b&", "x-", "a@", '{"a":']
)
def test_a_long_line_of_anything_is_masked_in_time(piece: str) -> None:
    begin = process_time()
    Redactor().log_line("://" + piece * (50_000 // len(piece)))
    assert process_time() - begin < 5


def test_why_a_check_does_not_apply_is_no_note_of_a_person_and_stays() -> None:
    why = "No such file or directory"
    said = worded("the server's files are not to be seen from here: {why}", why=why)
    shown = doctor_without_notes(document((), [Checked("disk_filling", not_applicable=said)], datetime.now(UTC)))
    assert list(notes_in(shown)) == []
    assert shown["checks"][0]["why"] == str(said)
