"""Taking in leads that came over HTTP: a connection of intake's share, a deadline, and one bad lead fails alone."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from time import monotonic, perf_counter
from typing import Protocol

from router.intake.hand_in import HandedIn, MatchRules, Outcome, Taken, Unstorable, take_in, take_new
from router.intake.journal import FoundInJournal
from router.store.connections.connections import Connections, Part
from router.store.errors import (
    TRANSIENT_ERRORS,
    InterfaceError,
    PostgresError,
    Trouble,
    is_away,
    server_of,
    stores_later,
    trouble_of,
)
from router.store.leads import TenantRemoved
from router.store.statements import Connection
from router.telemetry.intake_instruments import IntakeInstruments, IntakeResult, IntakeRoute

CONNECTION_S = 2.0
"""The longest wait for a connection. Longer means: others have all of them, or the database is away."""
COMMIT_S = 6.0
"""The longest time until leads are committed; what took longer may have been committed all the same."""


ASK_AGAIN_S = 1.0
"""So long, seconds, leads go to the journal at once after the database was away, or what a tenant's leads need was
locked: not each of them waits for it. And after it was away, as long as there is no connection."""


class NotDurable(Exception):
    """It is not known that the leads are stored; handing them in again is harmless. The message says why."""


class Journal(Protocol):
    """Keeps leads durably while PostgreSQL cannot store them."""

    async def keep(self, tenant_id: int, handed_in: Sequence[HandedIn]) -> list[Outcome]:
        """What became of each. Raises NotDurable where it cannot keep them, as when it is full."""
        ...

    async def answered(self, tenant_id: int, handed_in: Sequence[HandedIn]) -> dict[int, Outcome]:
        """Those whose key came with a lead that it holds, by the identity of what was handed in."""
        ...

    async def find(self, tenant_id: int, source: str, external_id: str) -> FoundInJournal | None:
        """A lead that it holds; the source is in its one spelling."""
        ...


class LeadIntake:
    """Takes in leads of any tenant. `journal` None = while PostgreSQL is away nothing is taken in."""

    def __init__(
        self, connections: Connections, instruments: IntakeInstruments, journal: Journal | None = None
    ) -> None:
        self._connections = connections
        self.instruments = instruments
        self._journal = journal
        self._away_until = 0.0
        self._was_away = False
        self._locked_until: dict[int, float] = {}
        self._server_away_until: dict[int, float] = {}
        self._match_rules: MatchRules = {}

    async def take(self, tenant_id: int, handed_in: Sequence[HandedIn], route: IntakeRoute) -> list[Outcome]:
        """Stores the leads durably, or none of them; returns what became of each. Raises NotDurable."""
        if self._journal is not None:
            if self._journalled_at_once(tenant_id, route):
                return await self._keep(tenant_id, handed_in, route)
            if held := await self._journal.answered(tenant_id, handed_in):
                self._count(list(held.values()), [], route)
                left = [one for one in handed_in if id(one) not in held]
                taken = await self._store(tenant_id, left, route) if left else []
                outcomes = {**held, **{id(one): outcome for one, outcome in zip(left, taken, strict=True)}}
                return [outcomes[id(one)] for one in handed_in]
        return await self._store(tenant_id, handed_in, route)

    async def _store(self, tenant_id: int, handed_in: Sequence[HandedIn], route: IntakeRoute) -> list[Outcome]:
        begin = perf_counter()
        stored: list[Outcome | None] = [None] * len(handed_in)
        rest = handed_in
        try:
            async with asyncio.timeout(COMMIT_S):
                async with self._connections.acquire(Part.INTAKE, CONNECTION_S, leaves_nothing=True) as conn:
                    if route is IntakeRoute.SINGLE:
                        # New leads of new customers at once; those of which something is there already after them.
                        stored = await take_new(conn, tenant_id, handed_in, self._match_rules)
                        rest = [one for one, became in zip(handed_in, stored, strict=True) if became is None]
                    others = await _take(conn, tenant_id, rest, self._match_rules) if rest else []
        except TenantRemoved as error:
            self.instruments.leads(route, IntakeResult.NOT_DURABLE, len(handed_in))
            raise NotDurable(str(error)) from error
        except (*TRANSIENT_ERRORS, TimeoutError) as error:
            # The one place where leads are that cannot be committed.
            if self._journal is not None and self._is_for_journal(error, route):
                self._ask_again_later(tenant_id, error)
                # Not those that are stored: they have their numbers, and would be counted twice until it is drained.
                kept = await self._keep(tenant_id, rest, route)
                there = [(one, became) for one, became in zip(handed_in, stored, strict=True) if became is not None]
                self._count([became for _, became in there], [one for one, _ in there], route)
                return _merged(stored, kept)
            self.instruments.leads(route, IntakeResult.NOT_DURABLE, len(handed_in))
            raise NotDurable(_said(error)) from error
        outcomes = _merged(stored, others)
        self.instruments.committed(len(handed_in), perf_counter() - begin)
        self._count(outcomes, handed_in, route)
        return outcomes

    async def take_late(
        self, tenant_id: int, handed_in: Sequence[HandedIn], route: IntakeRoute, waited_s: float
    ) -> list[Outcome]:
        """What became of leads that have waited for too long for their commit to begin. Raises NotDurable."""
        if self._journal is None:
            self.instruments.leads(route, IntakeResult.NOT_DURABLE, len(handed_in))
            raise NotDurable(f"the lead waited {waited_s:g} s for its commit to begin")
        return await self._keep(tenant_id, handed_in, route)

    def _is_for_journal(self, error: BaseException, route: IntakeRoute) -> bool:
        """While something is locked those who send batches come again, and forms need the room that there is."""
        return stores_later(error) and (is_away(error) or route is not IntakeRoute.BATCH)

    def _journalled_at_once(self, tenant_id: int, route: IntakeRoute) -> bool:
        now = monotonic()
        # The journal's own service keeps asking for a connection.
        self._was_away = self._was_away and self._connections.away
        locked = route is not IntakeRoute.BATCH and now < self._locked_until.get(tenant_id, 0.0)
        of_tenant = locked or now < self._server_away_until.get(tenant_id, 0.0)
        return self._was_away or now < self._away_until or of_tenant

    def _ask_again_later(self, tenant_id: int, error: BaseException) -> None:
        """A lock may be on rows of one tenant only, and a server that is away (Citus) may have only those of some: no
        reason to make others' leads late.
        """
        until = monotonic() + ASK_AGAIN_S
        if server_of(error) is not None:
            self._server_away_until[tenant_id] = until
        elif is_away(error):
            self._away_until, self._was_away = until, True
        else:
            self._locked_until[tenant_id] = until

    async def _keep(self, tenant_id: int, handed_in: Sequence[HandedIn], route: IntakeRoute) -> list[Outcome]:
        assert self._journal is not None
        try:
            outcomes = await self._journal.keep(tenant_id, handed_in)
        except NotDurable:
            self.instruments.leads(route, IntakeResult.NOT_DURABLE, len(handed_in))
            raise
        self._count(outcomes, handed_in, route)
        return outcomes

    def _count(self, outcomes: Sequence[Outcome], handed_in: Sequence[HandedIn], route: IntakeRoute) -> None:
        for result, leads in Counter(map(_result, outcomes)).items():
            self.instruments.leads(route, result, leads)
        unreadable = Counter(field for one in handed_in for field in one.lead.malformed)
        for field, contacts in unreadable.items():
            self.instruments.unreadable(field, contacts)


def _result(outcome: Outcome) -> IntakeResult:
    if not isinstance(outcome, Taken):
        return IntakeResult.REFUSED
    return IntakeResult.REPEATED if outcome.duplicate or outcome.replayed else IntakeResult.ACCEPTED


def _merged(stored: Sequence[Outcome | None], others: Sequence[Outcome]) -> list[Outcome]:
    """The others in the places that are free."""
    left = iter(others)
    return [next(left) if one is None else one for one in stored]


async def _take(
    conn: Connection, tenant_id: int, handed_in: Sequence[HandedIn], match_rules: MatchRules
) -> list[Outcome]:
    """A lead that the database cannot store is found by halving."""
    try:
        return await take_in(conn, tenant_id, handed_in, match_rules)
    except (PostgresError, InterfaceError) as error:
        if trouble_of(error) is not Trouble.REFUSED_ROW:
            raise
        if len(handed_in) == 1:
            return [Unstorable(f"PostgreSQL cannot store it: {error}")]
    half = len(handed_in) // 2
    first = await _take(conn, tenant_id, handed_in[:half], match_rules)
    return [*first, *await _take(conn, tenant_id, handed_in[half:], match_rules)]


def _said(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return f"the database did not commit within {COMMIT_S:g} s"
    return f"the database is busy or away ({type(error).__name__})"
