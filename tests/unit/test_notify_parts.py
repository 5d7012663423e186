"""What the notifier decides and how its messages look, without a database or a network."""

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ops.doctor.finding import Muted, Severity, Subject
from ops.doctor.look import all_checks
from ops.notify.channels import EXAMPLE, Channel, Kind, Tls, read_channels
from ops.notify.message import Facts, Item, Message, clean, item_of, joined
from ops.notify.pace import (
    KEPT,
    LIMITS,
    GiveUp,
    Join,
    Rest,
    Send,
    Waiting,
    backoff_s,
    next_step,
    remembered,
    room,
    wait_s,
    windows,
)
from ops.notify.plan import Alert, Rhythm, plan, seen_in
from ops.notify.robots import (
    BYTES,
    dingtalk_sign,
    feishu_sign,
    read_robot,
    robot_request,
    robot_text,
)
from ops.notify.text import body, cut, subject
from ops.notify.titles import TITLES
from ops.text.translation import translator
from router.rules.problems import InvalidFile
from tests.notifying import a_channel, finding, hmac_sha256

ROOT = Path(__file__).parents[2]
AT = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
RHYTHM = Rhythm(timedelta(hours=4), timedelta(minutes=1))
TENANTS = {"acme", "zeta"}
SAY = translator("en")
FACTS = Facts(
    at=AT,
    waiting=1234,
    oldest=AT - timedelta(minutes=12),
    top=item_of(finding("reps_without_group")),
    change="2026-11-28 11:58 UTC by ann: rules apply rules, version 3 → version 4",
)


def a_message(number: int = 1, **more: object) -> Message:
    items = tuple(item_of(finding(f"code_{at}")) for at in range(number))
    return Message(**{"scopes": ("acme",), "facts": FACTS, "fresh": items, **more})  # type: ignore[arg-type]


# -- signatures and robots


def test_a_signature_is_the_one_that_openssl_makes_so_that_robots_believe_it() -> None:
    # printf '1700000000000\nSEC0123456789abcdef' | openssl dgst -sha256 -hmac SEC0123456789abcdef -binary | base64
    assert dingtalk_sign("SEC0123456789abcdef", 1_700_000_000_000) == "TSZbRFUuvaSQaRKUpF970OPCb2/LcQAP3wOvwZIzBZk="
    # printf '' | openssl dgst -sha256 -mac HMAC -macopt hexkey:(hex of '1700000000\nfeishu-secret-密') -binary | base64
    assert feishu_sign("feishu-secret-密", 1_700_000_000) == "6Z/5CCdjgO8uqytBe6lwmYhFATa963GgWsYxEYLmimY="


@given(st.text(min_size=1, max_size=100), st.integers(0, 4_000_000_000_000))
def test_signatures_follow_the_formula_for_every_secret(secret: str, moment: int) -> None:
    text = f"{moment}\n{secret}".encode("utf-8", errors="surrogatepass")
    try:
        secret.encode()
    except UnicodeEncodeError:
        return
    assert dingtalk_sign(secret, moment) == base64.b64encode(hmac_sha256(secret.encode(), text)).decode()
    assert feishu_sign(secret, moment) == base64.b64encode(hmac_sha256(text, b"")).decode()


def test_dingtalk_gets_its_signature_in_the_query_and_keeps_its_token() -> None:
    channel = a_channel(
        Kind.DINGTALK, "https://oapi.dingtalk.com/robot/send?access_token=t", secret="SEC0123456789abcdef"
    )
    request = robot_request(channel, a_message(), "ntf_1", 1_700_000_000.0)
    assert parse_qs(urlsplit(request.url).query) == {
        "access_token": ["t"],
        "timestamp": ["1700000000000"],
        "sign": ["TSZbRFUuvaSQaRKUpF970OPCb2/LcQAP3wOvwZIzBZk="],
    }
    assert "%2F" in request.url and request.url.endswith("%3D")


def test_feishu_gets_its_signature_in_the_body() -> None:
    channel = a_channel(Kind.FEISHU, "https://open.feishu.cn/hook/x", secret="feishu-secret-密")
    sent = json.loads(robot_request(channel, a_message(), "ntf_1", 1_700_000_000.9).body)
    assert sent["timestamp"] == "1700000000"
    assert sent["sign"] == "6Z/5CCdjgO8uqytBe6lwmYhFATa963GgWsYxEYLmimY="
    assert sent["msg_type"] == "text" and "acme" in sent["content"]["text"]


def test_whoever_is_to_be_called_by_dingtalk_has_the_number_in_the_text_too() -> None:
    channel = a_channel(Kind.DINGTALK, mention=("13800138000",))
    sent = json.loads(robot_request(channel, a_message(), "ntf_1", 0.0).body)
    assert sent["at"]["atMobiles"] == ["13800138000"] and "@13800138000" in sent["text"]["content"]
    calm = a_message(fresh=(item_of(finding("index_missing", severity=Severity.WARNING)),))
    assert json.loads(robot_request(channel, calm, "ntf_1", 0.0).body)["at"]["atMobiles"] == []


@pytest.mark.parametrize("kind", [Kind.WECOM, Kind.DINGTALK, Kind.FEISHU])
@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (200, b'{"errcode": 93000, "errmsg": "invalid webhook url", "code": 19001}'),
        (200, b"{}"),
        (200, b"ok"),
        (200, b""),
        (200, b"[0]"),
        (200, b'{"errcode": "0", "code": "0"}'),
        (200, b'{"errcode": false, "code": false}'),
        (200, b'{"errcode": null, "code": null}'),
        (200, b"\xff\xfe"),
        (302, b'{"errcode": 0, "code": 0}'),
        (500, b'{"errcode": 0, "code": 0}'),
    ],
)
def test_a_failure_that_is_answered_with_200_is_not_taken_for_success(kind: Kind, status: int, answer: bytes) -> None:
    assert read_robot(kind, status, answer).error is not None


def test_only_code_0_is_success_and_throttling_asks_for_the_rest_that_the_product_needs() -> None:
    assert read_robot(Kind.WECOM, 200, b'{"errcode": 0, "errmsg": "ok"}').error is None
    assert read_robot(Kind.DINGTALK, 200, b'{"errcode": 0}').error is None
    assert read_robot(Kind.FEISHU, 200, b'{"code": 0}').error is None
    assert read_robot(Kind.FEISHU, 200, b'{"StatusCode": 0}').error is None
    assert read_robot(Kind.FEISHU, 200, b'{"code": 19021, "StatusCode": 0}').error is not None
    assert read_robot(Kind.WECOM, 200, b'{"errcode": 45009}').rest_s == 60
    assert read_robot(Kind.DINGTALK, 200, b'{"errcode": 130101}').rest_s == 600
    assert read_robot(Kind.DINGTALK, 200, b'{"errcode": 410100}').rest_s == 600
    assert read_robot(Kind.FEISHU, 200, b'{"code": 11232}').rest_s == 60
    assert read_robot(Kind.FEISHU, 429, b"", 7).throttled


# -- text


@given(st.text(st.sampled_from("ab é线索😀"), min_size=10).map(lambda text: text * 8), st.integers(20, 400))
def test_a_cut_text_fits_is_valid_and_says_that_it_was_cut(text: str, most: int) -> None:
    found = cut(text, most, "…(cut)")
    assert len(found.encode()) <= most
    assert found == text or (found.endswith("…(cut)") and text.startswith(found.removesuffix("…(cut)")))
    # Nothing was cut that had room.
    assert found != text or len(text.encode()) <= most
    if found != text:
        assert len(found.encode()) > most - 4


@pytest.mark.parametrize("kind", [Kind.WECOM, Kind.DINGTALK, Kind.FEISHU])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_robot_gets_no_more_bytes_than_it_takes_and_what_is_needed_most_is_in_them(kind: Kind, language: str) -> None:
    channel = a_channel(kind, language=language, runbooks="https://wiki.example.com/runbooks/")
    text = robot_text(channel, a_message(3000), "ntf_1")
    assert len(text.encode()) <= BYTES[kind] and BYTES[Kind.WECOM] == 4096
    assert text.rstrip().endswith(("shows all)", "查看全部）"))
    for needed in (
        "1,234",
        "12",
        "reps_without_group",
        "lead-router doctor",
        "version 4",
        "/runbooks/reps_without_group.md",
    ):
        assert needed in text
    assert "ntf_1" in text


def test_every_message_says_what_a_person_needs_at_night() -> None:
    text = body(a_message(2, going_on=(item_of(finding("stalled")),)), "ntf_1", SAY)
    assert text.splitlines()[:6] == [
        "Leads waiting: 1,234, the oldest for 12 min",
        "Doctor's top finding: acme: reps_without_group of acme [reps_without_group]",
        "Fix: lead-router doctor",
        "Runbook: runbooks/reps_without_group.md",
        "Last change: 2026-11-28 11:58 UTC by ann: rules apply rules, version 3 → version 4",
        "message ntf_1",
    ]
    assert subject(a_message(2), SAY) == "[lead-router] critical: acme: 2 new"
    assert "严重" in subject(a_message(2), translator("zh"))
    assert "销售不在任何分组" in body(a_message(), "ntf_1", translator("zh"))


def test_every_finding_has_a_title_to_be_translated() -> None:
    assert TITLES.keys() >= all_checks().keys()
    assert [code for code, title in TITLES.items() if translator("zh").gettext(title) == title] == []


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("call +8613800138000 now", "138001380"),
        ("phone 13800138000", "138001380"),
        ("+49 170 1234567", "1234567"),
        ("mail ann.lee@example.com", "ann.lee"),
        ("at postgresql://router:s3cret@db/x", "s3cret"),
    ],
)
def test_nobodys_phone_address_or_password_gets_into_a_message(text: str, hidden: str) -> None:
    assert hidden not in clean(text)
    assert hidden not in item_of(replace(finding(), sentence=text)).sentence


def test_times_numbers_of_leads_and_commands_stay_as_they_are() -> None:
    text = "lead 1234567890 since 2026-11-28T09:18:04Z; lead-router changes --around 2026-11-28T09:18:04Z --tenant acme"
    assert clean(text) == text


# -- what is reported


def test_what_one_look_finds_of_one_tenant_is_one_message() -> None:
    seen = seen_in([finding("a"), finding("b"), finding("c", "zeta"), finding("d", "")], TENANTS)
    found = plan(a_channel(), seen, [], (), AT, RHYTHM)
    assert [(one.scope, [item.code for item in one.fresh]) for one in found.tellings] == [
        ("acme", ["a", "b"]),
        ("zeta", ["c"]),
        ("", ["d"]),
    ]


def test_a_finding_is_told_once_again_after_the_repeat_and_as_over_when_it_stays_away() -> None:
    channel, seen = a_channel(), seen_in([finding()], TENANTS)
    first = plan(channel, seen, [], (), AT, RHYTHM)
    alerts = list(first.keep)
    assert plan(channel, seen, alerts, (), AT + timedelta(hours=3), RHYTHM) == type(first)([], [], [])
    again = plan(channel, seen, alerts, (), AT + timedelta(hours=4), RHYTHM)
    assert [one.going_on[0].code for one in again.tellings] == ["stalled"]
    gone = plan(channel, [], alerts, (), AT + timedelta(minutes=5), RHYTHM)
    assert not gone.tellings and gone.keep[0].gone_at == AT + timedelta(minutes=5)
    # It flaps: nobody hears of it.
    back = plan(channel, seen, gone.keep, (), AT + timedelta(minutes=5, seconds=30), RHYTHM)
    assert not back.tellings and back.keep[0].gone_at is None
    over = plan(channel, [], gone.keep, (), AT + timedelta(minutes=6), RHYTHM)
    assert [one.over[0].code for one in over.tellings] == ["stalled"] and over.over == [alerts[0].key]


def test_what_gets_worse_is_new_what_could_not_be_checked_is_not_over_and_what_is_muted_is_silent() -> None:
    channel = a_channel()
    warning = seen_in([finding(severity=Severity.WARNING)], TENANTS)
    known = plan(channel, warning, [], (), AT, RHYTHM).keep
    worse = plan(channel, seen_in([finding()], TENANTS), known, (), AT, RHYTHM)
    assert worse.tellings[0].fresh[0].severity is Severity.CRITICAL
    assert plan(channel, warning, worse.keep, (), AT, RHYTHM).tellings == []
    assert plan(channel, [], known, {"stalled"}, AT + timedelta(days=1), RHYTHM) == type(worse)([], [], [])
    muted = seen_in([finding(muted=Muted(AT, "ann", "known", AT))], TENANTS)
    assert plan(channel, muted, [], (), AT, RHYTHM).tellings == []
    assert plan(channel, muted, known, (), AT + timedelta(days=1), RHYTHM).tellings == []


def test_a_channel_hears_of_its_tenants_from_its_severity_on_and_never_of_itself() -> None:
    seen = seen_in([finding("a", severity=Severity.WARNING), finding("b", "zeta"), finding("c", "")], TENANTS)
    only = plan(a_channel(tenants=("zeta",)), seen, [], (), AT, RHYTHM)
    assert [one.scope for one in only.tellings] == ["zeta"]
    severe = plan(a_channel(minimum=Severity.CRITICAL), seen, [], (), AT, RHYTHM)
    assert [one.scope for one in severe.tellings] == ["zeta", ""]
    itself = replace(finding("notify_failing", ""), subject=Subject("channel", "oncall"))
    assert plan(a_channel(), seen_in([itself], TENANTS), [], (), AT, RHYTHM).tellings == []
    assert plan(a_channel(name="other"), seen_in([itself], TENANTS), [], (), AT, RHYTHM).tellings != []


codes = st.lists(st.sampled_from("abcd"), unique=True)


@given(st.lists(st.tuples(codes, st.integers(1, 200)), max_size=12))
def test_whatever_comes_and_goes_every_finding_is_told_and_everything_told_is_told_to_be_over(
    looks: list[tuple[list[str], int]],
) -> None:
    channel, alerts, at, heard = a_channel(), dict[tuple[str, ...], Alert](), AT, set[str]()
    for present, minutes in [*looks, ([], 5), ([], 5)]:
        at += timedelta(minutes=minutes)
        found = plan(
            channel, seen_in([finding(code) for code in present], TENANTS), list(alerts.values()), (), at, RHYTHM
        )
        assert len(found.tellings) <= 1
        for telling in found.tellings:
            assert not {one.code for one in telling.over} & {one.code for one in (*telling.fresh, *telling.going_on)}
            assert {one.code for one in telling.over} <= heard
            heard |= {one.code for one in telling.fresh}
            heard -= {one.code for one in telling.over}
        alerts |= {one.key: one for one in found.keep}
        for key in found.over:
            del alerts[key]
        assert heard >= set(present) and {key[1] for key in alerts} == heard
    assert not heard and not alerts


# -- pace


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(list(Kind)), st.randoms(use_true_random=False), st.sampled_from([50, 500, 3000]))
def test_no_window_of_a_product_ever_has_more_attempts_than_it_allows(kind: Kind, chance: Random, gap_ms: int) -> None:
    limits, now, recent, made = windows(kind, 0.0), AT, list[datetime](), list[datetime]()
    for _ in range(400):
        now += timedelta(milliseconds=chance.randint(0, gap_ms))
        if room(recent, now, limits):
            recent = remembered(recent, now, limits)
            made.append(now)
        else:
            # The wait that is named is enough.
            wait = wait_s(recent, now, limits)
            assert wait > 0
            assert room(recent, now + timedelta(seconds=wait + 0.001), limits)
            now += timedelta(seconds=chance.choice([0.0, wait]))
    for span_s, most in LIMITS[kind]:
        for at, first in enumerate(made):
            inside = [one for one in made[at:] if (one - first).total_seconds() < span_s]
            assert len(inside) <= most


@given(st.integers(0, 30), st.integers(0, 25), st.integers(0, 3))
def test_no_message_is_forgotten_and_none_waits_where_there_is_room(queued: int, spent: int, failures: int) -> None:
    limits = windows(Kind.DINGTALK, 10.0)
    queue = [Waiting(number, AT, 0) for number in range(queued)]
    step = next_step(queue, [AT] * spent, failures, AT, limits)
    if not queued:
        assert step is None
    elif queued > max(20 - spent, 1) or (failures and queued > 1):
        assert step == Join(tuple(range(queued)))
    elif spent < 20:
        assert step == Send(0)
    else:
        assert step == Rest(70.0)


def test_a_message_that_cannot_be_taken_stops_no_other_and_goes_when_it_is_a_day_old() -> None:
    limits = windows(Kind.WEBHOOK, 10.0)
    assert next_step([Waiting(1, AT, 3), Waiting(2, AT, 0)], [], 3, AT, limits) == Send(2)
    assert next_step([Waiting(1, AT, 3)], [], 3, AT + KEPT + timedelta(seconds=1), limits) == GiveUp((1,))


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_waits_between_attempts_grow_and_end_at_ten_minutes(failures: int, jitter: float) -> None:
    assert 4.5 <= backoff_s(failures, jitter) <= 660
    assert backoff_s(1, 1.0) < backoff_s(3, 0.0)


places = st.sampled_from(["fresh", "going_on", "over"])


@given(
    st.lists(
        st.tuples(st.sampled_from(["acme", "zeta"]), st.dictionaries(st.sampled_from("abc"), places)),
        min_size=1,
        max_size=8,
    )
)
def test_a_summary_says_of_each_finding_what_was_said_last_and_forgets_none(
    parts: list[tuple[str, dict[str, str]]],
) -> None:
    messages, last = [], dict[tuple[str, str], str]()
    for tenant, said in parts:
        lists = {
            name: tuple(item_of(finding(code, tenant)) for code, place in said.items() if place == name)
            for name in ("fresh", "going_on", "over")
        }
        messages.append(Message(scopes=(tenant,), facts=FACTS, **lists))  # type: ignore[arg-type]
        for code, place in said.items():
            new = place == "going_on" and last.get((tenant, code)) == "fresh"
            last[tenant, code] = "fresh" if new else place
    whole = joined(messages)
    found = {(item.subject, item.code): name for name in ("fresh", "going_on", "over") for item in getattr(whole, name)}
    assert found == last
    assert whole.joined == len(parts)
    assert set(whole.scopes) == {tenant for tenant, _ in parts}


def test_a_summary_of_very_many_says_how_many_it_leaves_out_and_leaves_out_the_least_bad() -> None:
    mild = [a_message(fresh=(item_of(finding(f"c{at}", severity=Severity.INFO)),)) for at in range(300)]
    whole = joined([*mild, a_message(fresh=(item_of(finding("worst")),))])
    assert whole.fresh[0].code == "worst" and len(whole.fresh) == 100 and whole.left_out == 201
    assert "and 201 more" in body(whole, "ntf_1", SAY)


# -- the file


def read(tmp_path: Path, text: str, environment: dict[str, str] | None = None) -> tuple[Channel, ...]:
    file = tmp_path / "notify.yaml"
    file.write_text(text, encoding="utf-8")
    return read_channels(file, environment or {})


def test_the_example_can_be_used(tmp_path: Path) -> None:
    names = ("WECOM_URL", "DINGTALK_URL", "DINGTALK_SECRET", "FEISHU_URL", "SMTP_PASSWORD", "PAGER_URL")
    environment = dict.fromkeys(names, "https://robot.example.com/hook") | {
        "DINGTALK_SECRET": "SECx",
        "SMTP_PASSWORD": "p",
    }
    text = (ROOT / EXAMPLE).read_text(encoding="utf-8")
    (tmp_path / "feishu.secret").write_text("fs\n", encoding="utf-8")
    found = {one.name: one for one in read(tmp_path, text, environment)}
    assert {one.kind for one in found.values()} == set(Kind)
    assert found["feishu-ops"].secret == "fs"
    assert found["mail"].server is not None and found["mail"].server.tls is Tls.STARTTLS


URL = "https://oapi.dingtalk.com/robot/send?access_token=s3cret-token"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("channels: []", "empty list"),
        ("channels: [{name: a}]", "kind: is missing"),
        ("channels: [{name: a, kind: slack, url: 'https://x'}]", "unknown value slack"),
        ("channels: [{name: a, kind: wecom}]", "needs url"),
        ("channels: [{name: a, kind: wecom, url: ADDRESS, secret: s}]", "has no secret"),
        ("channels: [{name: a, kind: email, url: ADDRESS}]", "needs server and recipients"),
        ("channels: [{name: a, kind: dingtalk, url: 'ftp://s3cret-token'}]", "begins with https://"),
        ("channels: [{name: a, kind: dingtalk, url: $GONE}]", "no variable GONE"),
        ("channels: [{name: a, kind: dingtalk, url: '@gone'}]", "gone cannot be read"),
        ("channels: [{name: a, kind: webhook, url: ADDRESS, secret: s3cret-token}]", "base64"),
        ("channels: [{name: a b, kind: wecom, url: ADDRESS}]", "letters, digits"),
        ("channels: [{name: a, kind: wecom, url: ADDRESS, minimum: bad}]", "unknown value bad"),
        ("channels: [{name: a, kind: wecom, url: ADDRESS, language: de}]", "unknown value de"),
        (
            "channels: [{name: a, kind: wecom, url: ADDRESS}, {name: a, kind: wecom, url: ADDRESS}]",
            "two channels",
        ),
        (
            "channels: [{name: a, kind: email, recipients: [ann], server: {host: h, sender: r@e.x}}]",
            "plain e-mail address",
        ),
        (
            "channels: [{name: a, kind: email, recipients: [a@e.x], server: {host: h, sender: r@e.x, user: u}}]",
            "belong together",
        ),
    ],
)
def test_a_wrong_file_is_refused_with_the_place_and_without_its_secrets(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InvalidFile) as raised:
        read(tmp_path, text.replace("ADDRESS", f"'{URL}'"))
    assert said in str(raised.value)
    assert "s3cret-token" not in str(raised.value)


def test_a_channel_that_is_shown_by_mistake_shows_no_credentials() -> None:
    channel = a_channel(url=URL, secret="s3cret-token")
    assert "s3cret" not in repr(channel)


def test_an_item_is_stored_and_read_as_it_was() -> None:
    message = a_message(2, over=(item_of(finding("x", since=AT)),))
    assert msgspec.json.decode(msgspec.json.encode(message), type=Message) == message
    assert isinstance(message.fresh[0], Item)
