"""Who lives with the routers meanwhile: a stream of leads whose acknowledgements are counted, and endings."""

import asyncio
import random
from collections import Counter
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

import asyncpg

from loadtest.faults.world import some_leads
from router.domain.lead_in import LeadIn
from router.store.assignments import Ending, NotAssigned, end
from router.store.connections.connect import APPLICATION_NAME
from router.store.errors import TRANSIENT_ERRORS
from router.store.leads import accept
from router.store.statements import load

Done = TypeVar("Done")
SQL = load("faults")
Session = asyncpg.Connection
# What a fault may do to somebody's session; the last when the server threw it out while it was idle.
PASSED = (*TRANSIENT_ERRORS, TimeoutError, asyncpg.InternalClientError)
_TRY_S = 15.0
_CONNECT_S = 5.0
_PAUSE_S = 0.05


@dataclass(slots=True)
class Ledger:
    """What intake has said yes to: by tenant, each lead (source, external id) with the number that it was told.

    None = it was told none, since the lead was in a journal.
    """

    acknowledged: dict[int, dict[tuple[str, str], int | None]] = field(default_factory=dict)

    def note(self, tenant_id: int, leads: Sequence[LeadIn], lead_ids: Sequence[int | None]) -> None:
        """Intake has answered. A lead that came again into a journal keeps its number."""
        told = self.acknowledged.setdefault(tenant_id, {})
        for lead, lead_id in zip(leads, lead_ids, strict=True):
            identity = lead.source, lead.external_id
            told[identity] = told.get(identity) if lead_id is None else lead_id

    @property
    def leads(self) -> int:
        return sum(map(len, self.acknowledged.values()))

    @property
    def unnumbered(self) -> "Ledger":
        """Those of which no number was told."""
        every = self.acknowledged.items()
        return Ledger({tenant: {key: None for key, number in told.items() if number is None} for tenant, told in every})


class Caller:
    """Somebody with a connection of their own, which is opened again whenever it is lost."""

    def __init__(self, url: str, errors: Counter[str] | None = None) -> None:
        self._url = url
        self._conn: Session | None = None
        self.errors = Counter[str]() if errors is None else errors

    async def session(self) -> Session:
        """Raises what connecting raises."""
        if self._conn is None or self._conn.is_closed():
            # As a command of ours calls its sessions: the blocking watch frees what they hold.
            named = {"application_name": APPLICATION_NAME}
            # A pooler may stand between, so no statement is kept.
            self._conn = await asyncpg.connect(
                self._url, timeout=_CONNECT_S, server_settings=named, statement_cache_size=0
            )
        return self._conn

    async def within(self, seconds: float, work: Coroutine[Any, Any, Done]) -> Done:
        """Does it on the session of now; after so long the session is given up, and it fails.

        Not by cancelling: a cancelled statement waits for the server's answer, which a dead wire never brings.
        """
        task = asyncio.create_task(work)
        try:
            await asyncio.wait([task], timeout=seconds)
        except BaseException:
            task.cancel()
            raise
        finally:
            if not task.done() and self._conn is not None:
                self._conn.terminate()
        return await task

    def lost(self, error: BaseException) -> None:
        """What was asked failed: the next one asks on a new connection."""
        self.errors[type(error).__name__] += 1
        if self._conn is not None:
            self._conn.terminate()
            self._conn = None

    async def close(self) -> None:
        if self._conn is not None:
            self._conn.terminate()


@dataclass
class Writer:
    """Hands in `portion` leads every `every_s` seconds to one tenant after the other, until told to stop.

    What was not acknowledged is handed in again, the same leads, until it is.
    """

    url: str
    tenants: Sequence[int]
    ledger: Ledger
    seed: int
    portion: int = 10
    every_s: float = 0.05
    errors: Counter[str] = field(default_factory=Counter)
    _number: int = 0

    async def run(self, stop: asyncio.Event) -> Counter[str]:
        """Returns the errors that intake gave, by type."""
        rng, caller = random.Random(self.seed), Caller(self.url, self.errors)
        try:
            while not stop.is_set():
                tenant_id = self.tenants[self._number // self.portion % len(self.tenants)]
                leads = some_leads(rng, self._number, self.portion)
                self._number += self.portion
                while not await self._handed_in(caller, tenant_id, leads) and not stop.is_set():
                    await asyncio.sleep(_PAUSE_S)
                await asyncio.sleep(self.every_s)
        finally:
            await caller.close()
        return caller.errors

    async def _handed_in(self, caller: Caller, tenant_id: int, leads: Sequence[LeadIn]) -> bool:
        try:
            accepted = await caller.within(_TRY_S, accept(await caller.session(), tenant_id, leads))
        except PASSED as error:
            caller.lost(error)
            return False
        self.ledger.note(tenant_id, leads, accepted.lead_ids)
        return True


@dataclass
class Ender:
    """Ends assigned leads as won, lost or returned, `portion` at a time, until told to stop."""

    url: str
    tenants: Sequence[int]
    seed: int
    portion: int = 8
    every_s: float = 0.1

    async def run(self, stop: asyncio.Event) -> Counter[str]:
        """Returns how many ended how."""
        rng, caller, done = random.Random(self.seed), Caller(self.url), Counter[str]()
        try:
            while not stop.is_set():
                try:
                    await caller.within(_TRY_S, self._end_some(await caller.session(), rng, done))
                except PASSED as error:
                    caller.lost(error)
                await asyncio.sleep(self.every_s)
        finally:
            await caller.close()
        return done

    async def _end_some(self, conn: Session, rng: random.Random, done: Counter[str]) -> None:
        tenant_id = rng.choice(list(self.tenants))
        last = await SQL.last_lead.value(conn, tenant_id=tenant_id)
        rows = await SQL.assigned_from.fetch(
            conn, tenant_id=tenant_id, lead_id=rng.randint(0, last), limit=self.portion
        )
        for row in rows:
            how = rng.choice(list(Ending))
            # Another one may have been faster.
            with suppress(NotAssigned):
                await end(conn, tenant_id, row["lead_id"], how)
                done[how] += 1
