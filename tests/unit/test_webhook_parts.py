"""The pure parts of webhooks: signatures, answers, the order of attempts, and which addresses are refused."""

import asyncio
import base64
import random
import threading
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from router.outbox.addresses import PrivateAddress, PublicOnly, check_url, is_public
from router.outbox.attempts import MAX_ATTEMPTS, OPENS_AFTER, Answer, Breaker, read_answer, retry_wait_s
from router.outbox.backlog import Backlog, Entry
from router.outbox.cursor import START, Cursor, CursorError, CursorTooOld, check_cursor, parse_cursor
from router.outbox.event import Event, event_id, event_key
from router.outbox.names import Names, NamesUnavailable
from router.outbox.signing import new_secret, secret_key, signed_headers
from router.store.webhooks import shown_url

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)


def test_a_receiver_with_the_standard_library_believes_us_and_no_other_body_or_secret() -> None:
    old, new = new_secret(random.Random(1).randbytes(32)), new_secret(random.Random(2).randbytes(24))
    body = '{"type": "lead.assigned", "name": "李雷"}'.encode()
    now = int(datetime.now(UTC).timestamp())
    headers = signed_headers("evt_1_1", now, body, [secret_key(new), secret_key(old)])
    for secret in (old, new):
        assert Webhook(secret).verify(body, headers)["type"] == "lead.assigned"
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(body.replace(b"assigned", b"returned"), headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(new_secret(b"x" * 32)).verify(body, headers)


def test_a_secret_is_read_with_and_without_its_prefix_and_a_wrong_one_is_not_shown() -> None:
    key = bytes(range(32))
    assert secret_key(new_secret(key)) == secret_key(base64.b64encode(key).decode()) == key
    for wrong in ("whsec_secret!", "whsec_" + base64.b64encode(b"short").decode(), "", "whsec_" + "A" * 400):
        with pytest.raises(ValueError, match="secret") as error:
            secret_key(wrong)
        assert not wrong or wrong not in str(error.value)


@pytest.mark.parametrize(
    ("status", "retry_after", "error", "gone", "pause_s"),
    [
        (200, None, None, False, 0),
        (299, "30", None, False, 0),
        (301, None, "answered 301, and redirects are not followed", False, 0),
        (400, "30", "answered 400", False, 0),
        (410, None, "answered 410", True, 0),
        (429, "30", "answered 429", False, 30),
        (503, "Sat, 28 Nov 2026 12:00:20 GMT", "answered 503", False, 20),
        (503, "Sat, 28 Nov 2026 11:00:20 GMT", "answered 503", False, 0),
        (503, "999999999999", "answered 503", False, 3600),
        (503, "soon", "answered 503", False, 0),
        (503, "-5", "answered 503", False, 0),
    ],
)
def test_only_2xx_is_success_and_an_endpoint_gets_the_rest_that_it_asks_for(
    status: int, retry_after: str | None, error: str | None, gone: bool, pause_s: float
) -> None:
    answer = read_answer(status, retry_after, NOW)
    assert (answer.error, answer.gone, answer.pause_s) == (error, gone, pause_s)


def test_attempts_of_an_event_are_those_of_the_standard_and_end() -> None:
    waits = [retry_wait_s(n, 0.5) for n in range(1, MAX_ATTEMPTS)]
    assert waits == [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400]
    assert retry_wait_s(MAX_ATTEMPTS, 0.5) is None


def test_a_dead_endpoint_is_asked_once_at_a_time_with_longer_and_longer_pauses_until_it_works() -> None:
    now = [0.0]
    breaker = Breaker(lambda: now[0], lambda: 1.0)
    for _ in range(OPENS_AFTER - 1):
        breaker.failed(Answer("x"))
    assert breaker.free(0, 16) == 16
    pauses = []
    for _ in range(12):
        breaker.failed(Answer("x"))
        assert breaker.free(0, 16) == 0
        pauses.append(breaker.wait_s())
        now[0] += pauses[-1]
        assert (breaker.free(0, 16), breaker.free(1, 16)) == (1, 0)
    assert pauses == sorted(pauses) and pauses[0] == 1 and pauses[-1] == 300
    assert breaker.worked() and breaker.free(3, 16) == 13


@pytest.mark.parametrize(
    "address",
    [
        *(
            "127.0.0.1",
            "10.1.2.3",
            "192.168.0.1",
            "172.16.0.1",
            "169.254.169.254",
            "0.0.0.0",
            "192.88.99.1",
            "::ffff:0:7f00:1",
            "3fff::1",
            "100.64.0.1",
        ),
        *("224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "::ffff:10.0.0.1"),
        *("64:ff9b::7f00:1", "2002:7f00:1::", "::127.0.0.1", "ff02::1", "2001:0:7f00:1::"),
    ],
)
async def test_an_address_inside_the_network_is_refused(address: str) -> None:
    assert not is_public(address)
    plain = address.partition("%")[0]
    with pytest.raises(PrivateAddress):
        check_url(f"https://{f'[{plain}]' if ':' in plain else plain}/x", allow_private=False)


async def test_a_name_server_that_does_not_answer_delays_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    held = threading.Event()
    monkeypatch.setattr("router.outbox.names.LOOK_UP_S", 0.05)
    monkeypatch.setattr("router.outbox.names.MOST_AT_ONCE", 20)
    monkeypatch.setattr("socket.getaddrinfo", lambda *_args, **_options: held.wait(120) and [])
    names = Names()
    asked = await asyncio.gather(*(names.resolve("slow.example") for _ in range(25)), return_exceptions=True)
    assert all(isinstance(one, NamesUnavailable) for one in asked)
    async with asyncio.timeout(60):
        assert await asyncio.to_thread(lambda: 1) == 1
    held.set()


def test_a_public_address_is_not_refused() -> None:
    for address in ("8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8"):
        assert is_public(address)


async def test_a_name_that_leads_inside_is_refused_however_it_is_written() -> None:
    resolver = PublicOnly()
    for name in ("localhost", "127.1", "2130706433", "0x7f000001"):
        with pytest.raises(PrivateAddress):
            await resolver.resolve(name, 80)


@pytest.mark.parametrize(
    "url",
    [
        *("ftp://example.com", "example.com", "https://", "https://user:secret@example.com/", "https://exa mple.com/"),
        *(
            "https://example.com/#x",
            "https://example.com:99999/",
            "https://exämple.com/",
            "https://e.com/" + "a" * 2000,
        ),
        "https://example.com/\n",
    ],
)
def test_an_url_that_is_none_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError):
        check_url(url, allow_private=True)


def test_a_cursor_is_read_as_it_was_written_and_anything_else_is_an_error() -> None:
    assert parse_cursor(str(Cursor(1042, 17))) == Cursor(1042, 17)
    assert parse_cursor("0") == START
    for wrong in ("", "x", "-1", "1-", "1-2-3", "1.5", "٣", "9" * 30, "1 2"):
        with pytest.raises(CursorError):
            parse_cursor(wrong)
    check_cursor(START, 10, 0)
    check_cursor(Cursor(6, 0), 10, 5)
    check_cursor(Cursor(11, 0), 10, 5)
    with pytest.raises(CursorTooOld):
        check_cursor(Cursor(5, 3), 10, 5)
    with pytest.raises(CursorError):
        check_cursor(Cursor(12, 0), 10, 5)


def test_an_id_has_no_dot_and_leads_back_to_its_event() -> None:
    assert event_key(event_id(1042, 17)) == (1042, 17)
    for wrong in ("evt_1", "evt_1_2_3", "x_1_2", "evt_a_1", "evt_-1_2", "1042", "evt_1_²"):
        with pytest.raises(ValueError, match="evt_1042_17"):
            event_key(wrong)


def an_event(position: int, lead: int) -> Event:
    return Event(
        event_id(position, 1), "lead.assigned", NOW + timedelta(seconds=position), lead, Cursor(position, 1), {}
    )


class Deliveries:
    """A backlog as it is used, with the table `webhook_delivery` as a dict. Whatever is settled while the database is
    asked is settled in `gap`.
    """

    def __init__(self, events: list[Event], chance: random.Random) -> None:
        self.events, self.chance = events, chance
        self.taken: list[Event] = []
        self.rows: dict[int, tuple[Event, int, float]] = {}
        self.cursor, self.now = START, 0.0
        self.restart()

    def restart(self) -> None:
        """Nothing is known but what is stored; leads whose time comes first are loaded, as many as there is room."""
        self.flying: list[Entry] = []
        self.backlog = Backlog(self.cursor)
        found = sorted(self.waiting(), key=lambda lead: min(row[2] for row in self.waiting()[lead]))
        room = self.chance.randint(0, 4)
        self.backlog.load(self.entries(found[:room]))
        self.backlog.any_away = len(found) > room

    def waiting(self) -> dict[int, list[tuple[Event, int, float]]]:
        lines: dict[int, list[tuple[Event, int, float]]] = {}
        for _, row in sorted(self.rows.items()):
            lines.setdefault(row[0].lead_id, []).append(row)
        return lines

    def entries(self, leads: list[int]) -> list[Entry]:
        rows = [row for lead in leads for row in self.waiting()[lead]]
        rows.sort(key=lambda row: row[0].cursor)
        return [Entry(event, attempts, due, stored=True) for event, attempts, due in rows]

    def gap(self) -> None:
        if self.flying and self.chance.random() < 0.3:
            self.take()

    def read(self) -> None:
        fresh = [one for one in self.events if one.cursor > self.backlog.read][:3]
        keys = {lead: {row[0].key for row in line} for lead, line in self.waiting().items()}
        self.gap()
        self.backlog.add_page(fresh, keys if self.backlog.any_away else {})
        if fresh:
            self.backlog.read = fresh[-1].cursor

    def send(self) -> None:
        if entry := self.backlog.take(self.now):
            assert all(entry.event.lead_id != other.event.lead_id for other in self.flying)
            self.flying.append(entry)

    def take(self) -> None:
        if self.flying:
            self.taken.append((entry := self.flying.pop(0)).event)
            self.backlog.taken(entry)

    def fail(self) -> None:
        if self.flying:
            self.backlog.put_off(self.flying.pop(), self.now + self.chance.choice([1, 3]), "x")

    def save(self) -> None:
        stored, dropped, upto = self.backlog.to_store(), self.backlog.to_drop(), self.backlog.settled_upto()
        copies = [(one.event, one.attempts, one.due) for one in stored]
        assert len({event.id for event, _, _ in copies}) == len(copies)
        self.gap()
        self.rows |= {copy[0].cursor.position: copy for copy in copies}
        for entry in dropped:
            del self.rows[entry.event.cursor.position]
        self.cursor = upto
        if self.chance.random() < 0.5:
            self.backlog.evict(self.chance.randint(0, 3))

    def load_due(self) -> None:
        if not self.backlog.any_away:
            return
        if self.backlog.unsaved:
            self.save()
        known = self.backlog.leads
        lines = self.waiting().items()
        due = [lead for lead, line in lines if lead not in known and min(row[2] for row in line) <= self.now]
        found = self.entries(due)
        self.gap()
        self.backlog.load(found)

    def wait(self) -> None:
        self.now += 0.7

    @property
    def done(self) -> bool:
        return not self.rows and self.cursor >= self.events[-1].cursor and not self.flying


@settings(max_examples=300)
@given(st.integers(0, 1 << 32), st.lists(st.integers(1, 5), min_size=1, max_size=25))
@example(2372187053, [4, 5, 1, 1, 5, 5])
def test_whatever_fails_events_of_a_lead_keep_their_order_and_none_is_forgotten(seed: int, leads: list[int]) -> None:
    """Sends, fails, stores, forgets and dies at random; what is stored is enough to go on from."""
    chance = random.Random(seed)
    events = [an_event(number, lead) for number, lead in enumerate(leads, 1)]
    deliveries = Deliveries(events, chance)
    acts = [*("read", "send", "take", "fail", "save", "wait", "load_due", "restart", "send", "take")]
    for _ in range(300):
        getattr(deliveries, chance.choice(acts))()
    for step in range(2000):
        if deliveries.done:
            break
        getattr(deliveries, ["read", "send", "take", "save", "load_due", "wait"][step % 6])()
    assert deliveries.done
    taken = deliveries.taken
    assert {one.id for one in taken} == {one.id for one in events}
    for lead in set(leads):
        firsts = list(dict.fromkeys(one.cursor.position for one in taken if one.lead_id == lead))
        assert firsts == sorted(firsts)


def test_however_many_leads_an_endpoint_refuses_only_so_many_events_are_kept_and_all_others_go_on() -> None:
    backlog, now, stored, sent = Backlog(START), 0.0, 0, 0
    for number in range(1, 3001):
        backlog.add(Entry(an_event(number, number)))
        backlog.read = Cursor(number, 1)
        entry = backlog.take(now)
        assert entry is not None and entry.event.lead_id == number
        if number % 3:
            backlog.taken(entry)
            sent += 1
        else:
            backlog.put_off(entry, now + number, "refused")
        if backlog.in_hand > 100:
            stored += len(backlog.to_store())
            backlog.settled_upto()
            backlog.evict(50)
            assert backlog.in_hand == 50 and backlog.size == 0 and backlog.any_away
    assert (sent, stored + len(backlog.to_store())) == (2000, 1000)
    assert backlog.settled_upto() == Cursor(3000, 1)
    assert len(backlog._held) <= 151 and len(backlog._order) == 0
    # Those that are due first stay.
    assert backlog.leads[0] == 3


def test_an_event_is_not_put_behind_one_that_was_taken_while_the_database_was_asked() -> None:
    backlog = Backlog(START, any_away=True)
    first, second = an_event(1, 7), an_event(2, 7)
    backlog.add(Entry(first, 1, 1.0, stored=True))
    entry = backlog.take(now=2.0)
    assert entry is not None
    backlog.taken(entry)
    backlog.add_page([second], {7: {first.key}})
    entry = backlog.take(now=2.0)
    assert entry is not None and entry.event is second


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://hooks.slack.com/services/T02/B03/s3cr3t", "https://hooks.slack.com/services/…"),
        ("https://hooks.zapier.com/hooks/catch/123/abc/", "https://hooks.zapier.com/hooks/…"),
        ("https://example.com/9f3c01aa77", "https://example.com/…"),
        ("https://example.com/averyveryverylongsecret", "https://example.com/…"),
        ("https://example.com:8443/hooks?key=s3cr3t", "https://example.com:8443/hooks…"),
        ("https://example.com/hooks/", "https://example.com/hooks/"),
        ("https://example.com/hooks", "https://example.com/hooks"),
        ("https://example.com", "https://example.com"),
        ("https://example.com?key=s3cr3t", "https://example.com…"),
        ("https://example.com/#s3cr3t", "https://example.com/…"),
        ("https://user:s3cr3t@example.com/hooks", "https://example.com/hooks…"),
        ("https://[2001:db8::1]:8443/x/s3cr3t", "https://[2001:db8::1]:8443/x/…"),
    ],
)
def test_secrets_in_the_path_or_query_of_an_endpoint_are_shown_nowhere(url: str, shown: str) -> None:
    assert shown_url(url) == shown
