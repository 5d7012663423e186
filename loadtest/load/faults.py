"""The causes of the outage (F1 to F5) in the middle of a load, in the form that still hurts: done, and undone."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from time import time

import asyncpg

from loadtest.faults.residual import lock_the_pool, say_it_in_known_words, say_it_in_other_words, taken_by_others
from loadtest.load import world
from loadtest.load.requests import FORM_SOURCE
from loadtest.load.stack import Stack
from loadtest.load.world import World
from ops.waiting.restamp import Done, Restamp
from ops.waiting.restamp_ask import Ask
from router.intake.roster_file import read_roster
from router.store.roster import import_reps
from router.store.tenants import tenant_named

NEEDS_OWN_STACK = frozenset({"F1", "F4", "F5"})
"""These hurt more than the tenant of the run: not for a service that somebody uses."""
_ACTOR = "load"
_EMPTIED = "g1"
SHIFTED = timedelta(hours=8)
_CORRECTIONS, _CORRECT_EVERY_S = 3, 0.5


@dataclass(frozen=True, slots=True)
class Scene:
    """Where a fault is done. `conn` is a superuser's, opened before, so that it is there when no other can be had."""

    conn: asyncpg.Connection
    holder: asyncpg.Connection
    stack: Stack
    world: World


@asynccontextmanager
async def _unreadable(scene: Scene) -> AsyncIterator[None]:
    """F1: the CRM writes availability in a word that nothing else knows; then in its old one again."""
    await say_it_in_other_words(scene.conn)
    yield
    await say_it_in_known_words(scene.conn)


@asynccontextmanager
async def _group_empty(scene: Scene) -> AsyncIterator[None]:
    """F2: an import of the roster leaves the reps of one group in none; a second one puts them back."""
    gone = [rep for place, rep in enumerate(world.REPS) if world.group_of(place) == _EMPTIED]
    for without in (gone, []):
        lines = read_roster(world.roster_csv(without), "reps.csv")
        await import_reps(scene.conn, scene.world.tenant_id, lines, _ACTOR)
        if without:
            yield


@asynccontextmanager
async def _wrong_zone(scene: Scene) -> AsyncIterator[None]:
    """F3: the web form writes times eight hours behind (the generator does that); then right ones, and the creation
    times of its leads are corrected as the doctor says, also of those that were under way.
    """
    yield
    for _ in range(_CORRECTIONS):
        await _correct(scene)
        await asyncio.sleep(_CORRECT_EVERY_S)


async def _correct(scene: Scene) -> None:
    """As `leads restamp` does it."""
    tenant = await tenant_named(scene.conn, scene.world.name)
    work = Restamp(scene.conn, lambda: secrets.randbits(63))
    await work.run(Ask(tenant, FORM_SOURCE, SHIFTED), _ACTOR, "load run", Done(), lambda: None)


@asynccontextmanager
async def _locked(scene: Scene) -> AsyncIterator[None]:
    """F4: a cleanup job locks the whole pool in a transaction; then it rolls back."""
    await lock_the_pool(scene.holder)
    yield
    await scene.holder.execute("rollback")


@asynccontextmanager
async def _connections_taken(scene: Scene) -> AsyncIterator[None]:
    """F5: the CRM takes all connections, those of the service, too; then it closes them."""
    assert scene.stack.role is not None
    async with AsyncExitStack() as others:
        await taken_by_others(scene.conn, scene.stack.database, scene.stack.role, others)
        yield


FAULTS: Mapping[str, Callable[[Scene], AbstractAsyncContextManager[None]]] = {
    "F1": _unreadable,
    "F2": _group_empty,
    "F3": _wrong_zone,
    "F4": _locked,
    "F5": _connections_taken,
}


def told(names: Sequence[str]) -> str:
    """What the faults are, for people."""
    return "; ".join(f"{name}: {_WORDS[name]}" for name in names)


_WORDS = {
    "F1": "the CRM writes availability in a word that nothing knows",
    "F2": "the reps of one group are in none",
    "F3": "the web form writes times of a wrong zone",
    "F4": "a cleanup job locks the whole lead pool",
    "F5": "another program takes all database connections",
}


@dataclass
class Troubles:
    """Does the faults at a second of the run, all at once, and undoes them at another one; notes when that was."""

    scene: Scene
    names: Sequence[str]
    at_s: float
    until_s: float
    began_s: float | None = None
    fixed_s: float | None = None

    async def run(self, begin: float) -> None:
        """`begin` = when the run began, seconds since 1970."""
        await asyncio.sleep(max(0.0, begin + self.at_s - time()))
        async with AsyncExitStack() as done:
            self.began_s = time() - begin
            for name in self.names:
                await done.enter_async_context(FAULTS[name](self.scene))
            await asyncio.sleep(max(0.0, begin + self.until_s - time()))
            # From when it is begun to fix them: what that takes counts as recovery.
            self.fixed_s = time() - begin
