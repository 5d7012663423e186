"""Looks of what is large: there at once, never older than is said, and never instead of an error."""

import asyncio
from dataclasses import dataclass

import pytest

from ops.console.looks import Looks


@dataclass
class Scene:
    """A clock that is turned by hand, and looks that return how many there were."""

    now: float = 0.0
    looked: int = 0
    error: Exception | None = None
    hangs: asyncio.Event | None = None

    async def look(self) -> int:
        self.looked += 1
        number = self.looked
        if self.hangs is not None:
            await self.hangs.wait()
        if self.error is not None:
            raise self.error
        return number


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_of_what_is_small_every_answer_is_as_of_its_question() -> None:
    scene = Scene()
    looks = Looks(lambda: scene.now)
    assert [await looks.get("a", scene.look, lambda _: False) for _ in range(3)] == [1, 2, 3]


async def test_of_what_is_large_the_last_look_is_there_at_once_and_the_next_one_is_made_behind_it() -> None:
    scene = Scene()
    looks = Looks(lambda: scene.now)

    async def get() -> int:
        found: int = await looks.get("a", scene.look, lambda _: True)
        return found

    assert (await get(), await get()) == (1, 1)
    scene.now = 5.0
    scene.hangs = asyncio.Event()
    assert (await get(), await get()) == (1, 1)
    await settle()
    assert scene.looked == 2, "one look at a time"
    scene.hangs.set()
    await settle()
    assert (await get(), scene.looked) == (2, 2)
    scene.now = 60.0
    assert await get() == 3, "what is old is not shown"
    looks.forget()
    assert await get() == 4


async def test_what_is_old_is_waited_for() -> None:
    scene = Scene()
    looks = Looks(lambda: scene.now)
    await looks.get("a", scene.look, lambda _: True)
    scene.now, scene.hangs = 7.0, asyncio.Event()
    waiting = asyncio.create_task(looks.get("a", scene.look, lambda _: True))
    await settle()
    assert not waiting.done()
    scene.hangs.set()
    assert await waiting == 2


async def test_after_a_look_that_failed_nothing_older_is_shown() -> None:
    scene = Scene()
    looks = Looks(lambda: scene.now)
    await looks.get("a", scene.look, lambda _: True)
    scene.now, scene.error = 5.0, TimeoutError()
    assert await looks.get("a", scene.look, lambda _: True) == 1
    await settle()
    with pytest.raises(TimeoutError):
        await looks.get("a", scene.look, lambda _: True)
    scene.error = None
    assert await looks.get("a", scene.look, lambda _: True) == 4


async def test_a_look_that_was_begun_before_a_change_is_not_shown_after_it() -> None:
    scene = Scene()
    looks = Looks(lambda: scene.now)
    await looks.get("a", scene.look, lambda _: True)
    scene.now, scene.hangs = 5.0, asyncio.Event()
    await looks.get("a", scene.look, lambda _: True)
    await settle()
    looks.forget()
    scene.hangs.set()
    await settle()
    assert (scene.looked, await looks.get("a", scene.look, lambda _: True)) == (2, 3)
