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


Found = Outcome | Exception
"""What became of a lead, or why that is not known."""


class Journal(Protocol):
    """Keeps leads durably while PostgreSQL cannot store them."""

    async def keep(self, tenant_id: int, handed_in: Sequence[HandedIn]) -> Sequence[Outcome | NotDurable]:
        """What became of each; NotDurable for those that it cannot keep, as when it is full."""
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

    async def take(self, tenant_id: int, handed_in: Sequence[HandedIn], route: IntakeRoute) -> list[Found]:
        """Stores the leads durably; returns what became of each. Those that are not known to be stored have the error
        that kept them, NotDurable but for a fault of the program.
        """
        if self._journal is not None:
            if self._journalled_at_once(tenant_id, route):
                return await self._keep(tenant_id, handed_in, route)
            if held := await self._journal.answered(tenant_id, handed_in):
                self._count(list(held.values()), [], route)
                left = [one for one in handed_in if id(one) not in held]
                taken = await self._store(tenant_id, left, route) if left else []
                return _merged([held.get(id(one)) for one in handed_in], taken)
        return await self._store(tenant_id, handed_in, route)

    async def take_late(
        self, tenant_id: int, handed_in: Sequence[HandedIn], route: IntakeRoute, waited_s: float
    ) -> list[Found]:
        """What became of leads that have waited for too long for their commit to begin."""
        if self._journal is None:
            late = NotDurable(f"the lead waited {waited_s:g} s for its commit to begin")
            return self._not_stored(late, len(handed_in), route)
        return await self._keep(tenant_id, handed_in, route)

    async def _store(self, tenant_id: int, handed_in: Sequence[HandedIn], route: IntakeRoute) -> list[Found]:
        """They are stored in parts: what one part met says nothing about those that were committed before."""
        begin = perf_counter()
        stored: list[Outcome | None] = [None] * len(handed_in)
        others: list[Found] = []
        try:
            async with asyncio.timeout(COMMIT_S):
                async with self._connections.acquire(Part.INTAKE, CONNECTION_S, leaves_nothing=True) as conn:
                    if route is IntakeRoute.SINGLE:
                        # New leads of new customers at once; those of which something is there already after them.
                        stored = await take_new(conn, tenant_id, handed_in, self._match_rules)
                    await _take(conn, tenant_id, handed_in, stored, self._match_rules)
        except Exception as error:
            # Not those that are stored: they have their numbers, and in the journal would be counted twice.
            left = [one for one, became in zip(handed_in, stored, strict=True) if became is None]
            others = await self._met(error, tenant_id, left, route)
        else:
            self.instruments.committed(len(handed_in), perf_counter() - begin)
        there = [(one, became) for one, became in zip(handed_in, stored, strict=True) if became is not None]
        self._count([became for _, became in there], [one for one, _ in there], route)
        return _merged(stored, others)

    async def _met(self, error: Exception, tenant_id: int, left: Sequence[HandedIn], route: IntakeRoute) -> list[Found]:
        """The one place where leads are that cannot be committed."""
        if isinstance(error, TenantRemoved):
            return self._not_stored(_not_durable(str(error), error), len(left), route)
        if not isinstance(error, (*TRANSIENT_ERRORS, TimeoutError)):
            return self._not_stored(error, len(left), route)
        if self._journal is not None and self._is_for_journal(error, route):
            self._ask_again_later(tenant_id, error)
            return await self._keep(tenant_id, left, route)
        return self._not_stored(_not_durable(_said(error), error), len(left), route)

    def _not_stored(self, error: Exception, leads: int, route: IntakeRoute) -> list[Found]:
        if leads:
            self.instruments.leads(route, IntakeResult.NOT_DURABLE, leads)
        return [error] * leads

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

    async def _keep(self, tenant_id: int, handed_in: Sequence[HandedIn], route: IntakeRoute) -> list[Found]:
        if self._journal is None or not handed_in:
            return []
        found: Sequence[Found]
        try:
            found = await self._journal.keep(tenant_id, handed_in)
        except Exception as error:
            # Of a group of which some are stored, these only.
            found = [error] * len(handed_in)
        kept = [
            (one, became) for one, became in zip(handed_in, found, strict=True) if not isinstance(became, Exception)
        ]
        self._count([became for _, became in kept], [one for one, _ in kept], route)
        if refused := len(found) - len(kept):
            self.instruments.leads(route, IntakeResult.NOT_DURABLE, refused)
        return list(found)

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


def _merged(stored: Sequence[Outcome | None], others: Sequence[Found]) -> list[Found]:
    """The others in the places that are free."""
    left = iter(others)
    return [next(left) if one is None else one for one in stored]


async def _take(
    conn: Connection,
    tenant_id: int,
    handed_in: Sequence[HandedIn],
    stored: list[Outcome | None],
    match_rules: MatchRules,
) -> None:
    """Stores those of which nothing is in `stored` yet, and notes there what became of each, with every commit. A lead
    that the database cannot store is found by halving.
    """
    parts = [[place for place, became in enumerate(stored) if became is None]]
    while parts:
        places = parts.pop()
        if not places:
            continue
        try:
            found = await take_in(conn, tenant_id, [handed_in[place] for place in places], match_rules)
        except (PostgresError, InterfaceError) as error:
            if trouble_of(error) is not Trouble.REFUSED_ROW:
                raise
            if len(places) > 1:
                half = len(places) // 2
                # The first half first: of those with the same key the first decides.
                parts += [places[half:], places[:half]]
                continue
            found = [Unstorable(f"PostgreSQL cannot store it: {error}")]
        for place, became in zip(places, found, strict=True):
            stored[place] = became


def _not_durable(why: str, error: Exception) -> NotDurable:
    refused = NotDurable(why)
    refused.__cause__ = error
    return refused


def _said(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return f"the database did not commit within {COMMIT_S:g} s"
    return f"the database is busy or away ({type(error).__name__})"
