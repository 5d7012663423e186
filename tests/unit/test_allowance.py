"""How many connections there may be: never above what the server gave, and back to the maximum when it gives more."""

from hypothesis import given
from hypothesis import strategies as st

from router.store.connections.adaptive_limit import AdaptiveLimit
from router.store.connections.server_capacity import ServerCapacity


@given(maximum=st.integers(1, 50), gives=st.lists(st.integers(0, 60), min_size=1, max_size=20))
def test_it_settles_at_what_the_server_gives_whatever_that_was_before(maximum: int, gives: list[int]) -> None:
    allowance, opened = AdaptiveLimit(maximum), 0
    for server_has in gives:
        opened = min(opened, server_has)
        refusals = 0
        while refusals < 3 and opened < maximum:
            if allowance.limit <= opened:
                allowance.try_again(opened)
            if opened < server_has:
                opened += 1
                allowance.opened(opened)
            else:
                refusals += 1
                wait_s = allowance.failed(opened)
                assert 0 < wait_s <= (5.0 if opened else 1.0)
                assert allowance.limit == opened
        assert opened == min(maximum, server_has)


def test_waits_for_a_server_that_gives_nothing_grow_but_never_beyond_a_second() -> None:
    def wait_after(failures: int) -> float:
        allowance = AdaptiveLimit(8)
        return [allowance.failed(0) for _ in range(failures)][-1]

    longest = [max(wait_after(failures) for _ in range(200)) for failures in (1, 2, 20)]
    assert longest[0] <= 0.1
    assert longest[1] > 0.1
    assert 0.5 < longest[2] <= 1.0


def test_a_part_of_what_the_server_has_is_never_nothing() -> None:
    instances = {"a": 100, "b": 1, "c": 1}
    for has in range(110):
        room = ServerCapacity(has, 3, 0, 0, instances)
        parts = [room.fair(maximum) for maximum in instances.values()]
        assert all(part is None or part >= 1 for part in parts)
        if room.allowed >= 104:
            assert parts == [None, None, None]
        elif room.allowed >= 50:
            assert sum(part or 0 for part in parts) <= room.allowed - 2 + 2, "two are left for commands"
        elif room.allowed >= 3:
            assert sum(part or 0 for part in parts) <= room.allowed + 2


def test_a_limit_of_the_role_or_the_database_counts() -> None:
    assert ServerCapacity(100, 3, 10, 0, {"a": 8}).allowed == 87
    room = ServerCapacity(100, 3, 10, 0, {"a": 8, "b": 8}, limits=(10,))
    assert (room.allowed, room.fair(8)) == (10, 4)


def test_commands_find_a_connection_where_there_are_more_than_a_few() -> None:
    for has, left in ((1, 0), (3, 0), (4, 1), (8, 2), (100, 2)):
        room = ServerCapacity(has, 0, 0, 0, {"a": has})
        assert has - (room.fair(has) or has) == left


def test_what_is_too_much_is_said_with_the_limit() -> None:
    room = ServerCapacity(100, 3, 10, 0, {"a": 8, "b": 8}, limits=(10,))
    assert "role or database limited to 10" in (room.excess() or "")
