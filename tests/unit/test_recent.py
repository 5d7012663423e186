"""What was looked up a moment ago, and how often somebody may ask for what is not there."""

import asyncio

import pytest

from router.http import recent as recents
from router.http.failed_attempts import FailedAttempts
from router.http.problems import Refused
from router.http.recent import Recent
from tests.support import until


class Asked:
    """A database that has what is even; it counts what it is asked."""

    def __init__(self) -> None:
        self.times = 0
        self.away = False

    async def find(self, key: int) -> str | None:
        self.times += 1
        if self.away:
            raise ConnectionRefusedError("away")
        return f"value {key}" if key % 2 == 0 else None


async def test_what_is_not_there_is_not_asked_for_again_and_again() -> None:
    asked = Asked()
    recent = Recent(asked.find, 60.0)
    for _ in range(5):
        assert await recent.get(1) is None
    assert asked.times == 1
    assert recent.absent(1)


async def test_guesses_do_not_push_out_what_is_known_while_the_database_is_away() -> None:
    asked = Asked()
    recent = Recent(asked.find, 0.0, remembered=10, absent_s=0.0)
    assert await recent.get(2) == "value 2"
    for guess in range(1, 30_001, 2):
        assert await recent.get(guess) is None
    asked.away = True
    assert await recent.get(2) == "value 2"
    assert len(recent._absent) <= 10_000


async def test_what_an_earlier_process_knew_is_believed_while_the_database_is_away_for_a_day() -> None:
    asked = Asked()
    asked.away = True
    recent = Recent(asked.find, 60.0)
    recent.remember(1, "before", 3_600)
    recent.remember(3, "too old", 90_000)
    assert await recent.get(1) == "before"
    with pytest.raises(ConnectionRefusedError):
        await recent.get(3)
    assert [(key, value) for key, value, _ in recent.known()] == [(1, "before")]
    asked.away = False
    recent._failed_at = None
    assert await recent.get(1) is None


async def test_what_is_asked_for_all_the_time_is_looked_up_again_before_anybody_has_to_wait_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 0.0
    monkeypatch.setattr(recents, "monotonic", lambda: now)
    asked = Asked()
    recent = Recent(asked.find, 10.0)
    assert await recent.get(2) == "value 2"
    for second in range(1, 60):
        now = float(second)
        assert recent.fresh(2) == "value 2", f"after {second} s somebody had to wait"
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert 5 <= asked.times <= 9
    # Nobody asks: it is not looked up, and holds no more.
    now += 11
    before = asked.times
    assert recent.fresh(2) is None
    assert asked.times == before


async def test_a_value_that_is_gone_is_not_believed_any_longer_than_it_would_have_been(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, gone = 0.0, False
    monkeypatch.setattr(recents, "monotonic", lambda: now)
    asked = Asked()

    async def find(key: int) -> str | None:
        return None if gone else await asked.find(key)

    recent = Recent(find, 10.0)
    assert await recent.get(2) == "value 2"
    gone, now = True, 8.0
    assert recent.fresh(2) == "value 2"
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert recent.fresh(2) is None
    assert await recent.get(2) is None


async def test_while_the_database_is_away_it_is_not_asked_with_every_use_of_a_value(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 0.0
    monkeypatch.setattr(recents, "monotonic", lambda: now)
    asked = Asked()
    recent = Recent(asked.find, 10.0)
    await recent.get(2)
    asked.away, now = True, 8.0
    for _ in range(20):
        assert recent.fresh(2) == "value 2"
        await asyncio.sleep(0)
    assert asked.times == 2


async def test_nobody_waits_for_a_database_that_is_known_to_be_away() -> None:
    stuck, away, asked = asyncio.Event(), False, 0

    async def find(key: int) -> str | None:
        nonlocal asked
        asked += 1
        if away:
            await stuck.wait()
        return f"value {key}"

    recent = Recent(find, 0.0, away=lambda: away)
    assert await recent.get(1) == "value 1"
    away = True
    # It hangs for ever, and only one look-up of a key is under way.
    assert [await recent.get(1) for _ in range(2)] == ["value 1", "value 1"]
    assert asked == 2
    stuck.set()
    away = False
    assert await recent.get(1) == "value 1"


async def test_a_failure_of_long_ago_lets_nobody_in_with_a_token_that_was_revoked_since() -> None:
    asked, revoked = Asked(), False

    async def find(key: int) -> str | None:
        return None if revoked else await asked.find(key)

    recent = Recent(find, 0.0)
    assert await recent.get(2) == "value 2"
    asked.away = True
    assert await recent.get(2) == "value 2"
    asked.away, revoked = False, True
    assert recent._failed_at is not None
    recent._failed_at -= 60
    assert await recent.get(2) is None


async def test_after_a_failure_what_is_known_is_said_at_once_and_asked_for_behind_it() -> None:
    asked = Asked()
    recent = Recent(asked.find, 0.0)
    assert await recent.get(2) == "value 2"
    asked.away = True
    assert [await recent.get(2) for _ in range(100)] == ["value 2"] * 100
    assert asked.times == 2
    with pytest.raises(ConnectionRefusedError):
        await recent.get(4)
    asked.away = False
    assert recent._failed_at is not None
    recent._failed_at -= 10
    await recent.get(2)

    async def answered() -> bool:
        return recent._failed_at is None

    await until(answered, "the database answers again")


def fail(attempts: FailedAttempts, address: str, times: int) -> None:
    for _ in range(times):
        with attempts.attempt(address):
            pass


def test_a_client_that_guesses_is_refused_and_others_are_not() -> None:
    now = 1_000.0
    attempts = FailedAttempts(5, lambda: now)
    fail(attempts, "192.0.2.1", 5)
    with pytest.raises(Refused) as refused, attempts.attempt("192.0.2.1"):
        pytest.fail("it was let in")
    assert refused.value.kind.status == 429
    assert refused.value.headers["Retry-After"] == "20"
    fail(attempts, "192.0.2.2", 1)
    now = 1_020.0
    fail(attempts, "192.0.2.1", 1)


def test_addresses_of_one_ipv6_network_count_together() -> None:
    attempts = FailedAttempts(2, lambda: 0.0)
    fail(attempts, "2001:db8::1", 1)
    fail(attempts, "2001:db8::2", 1)
    with pytest.raises(Refused), attempts.attempt("2001:db8::3"):
        pass
    fail(attempts, "2001:db8:0:1::1", 1)


def test_who_shows_what_holds_uses_nothing_up() -> None:
    attempts = FailedAttempts(1, lambda: 0.0)
    for _ in range(10):
        with attempts.attempt("192.0.2.1") as forgive:
            forgive()
    with pytest.raises(ConnectionRefusedError), attempts.attempt("192.0.2.1"):
        raise ConnectionRefusedError("away")
    fail(attempts, "192.0.2.1", 1)


async def test_many_guesses_at_once_are_counted_before_they_are_answered() -> None:
    attempts, asked = FailedAttempts(3, lambda: 0.0), 0

    async def guess() -> None:
        nonlocal asked
        with attempts.attempt("192.0.2.1"):
            asked += 1
            await asyncio.sleep(0)

    done = await asyncio.gather(*(guess() for _ in range(50)), return_exceptions=True)
    assert asked == 3
    assert sum(isinstance(one, Refused) for one in done) == 47


def test_any_number_of_addresses_needs_no_more_memory() -> None:
    attempts = FailedAttempts(1, lambda: 0.0)
    for number in range(25_000):
        fail(attempts, f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", 1)
    assert len(attempts._counts) <= 20_000
