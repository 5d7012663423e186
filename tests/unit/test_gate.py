"""A lead over which a process died is taken alone: nothing else begins or goes on beside it."""

import asyncio

import pytest

from router.drain.gate import Gate


async def _turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_who_has_to_be_alone_waits_for_the_others_and_the_next_ones_wait_for_it() -> None:
    gate, log = Gate(), list[str]()
    first_may_end, alone_may_end = asyncio.Event(), asyncio.Event()

    async def first() -> None:
        async with gate.shared():
            log.append("first")
            await first_may_end.wait()
            log.append("first ends")

    async def alone() -> None:
        async with gate.alone(60):
            log.append("alone")
            await alone_may_end.wait()
            log.append("alone ends")

    async def late() -> None:
        async with gate.shared():
            log.append("late")

    async with asyncio.TaskGroup() as group:
        group.create_task(first())
        await _turns()
        group.create_task(alone())
        await _turns()
        group.create_task(late())
        group.create_task(late())
        await _turns()
        assert log == ["first"]
        first_may_end.set()
        await _turns()
        assert log == ["first", "first ends", "alone"]
        alone_may_end.set()
    assert log == ["first", "first ends", "alone", "alone ends", "late", "late"]


async def test_many_batches_are_under_way_at_once() -> None:
    gate = Gate()
    async with gate.shared(), gate.shared(), gate.shared():
        assert gate.inside == 3


@pytest.mark.parametrize("cancelled", [True, False])
async def test_who_gives_up_waiting_does_not_keep_others_out(cancelled: bool) -> None:
    gate = Gate()
    async with gate.shared():
        if cancelled:
            waits = asyncio.create_task(gate.alone(60).__aenter__())
            await _turns()
            waits.cancel()
            await asyncio.wait([waits])
        else:
            with pytest.raises(TimeoutError, match="other batches"):
                await gate.alone(0.001).__aenter__()
        async with asyncio.timeout(60), gate.shared():
            pass


async def test_an_error_inside_opens_the_gate_again() -> None:
    gate = Gate()
    with pytest.raises(ValueError, match="inside"):
        async with gate.alone(1):
            raise ValueError("inside")
    with pytest.raises(ValueError, match="inside"):
        async with gate.shared():
            raise ValueError("inside")
    async with asyncio.timeout(60), gate.alone(1):
        pass
