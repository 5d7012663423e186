"""The events of one endpoint that are in hand: which may be sent now, and up to where all is settled. Pure.

Events of one lead go out one after the other, those of different leads side by side. A lead whose event failed waits
for its next attempt, and its later events behind it; all other leads go on.

Leads that wait are kept in the database, too. When too many do, `evict` forgets some of them here: they are **away**,
until they are due and are loaded again, always with all their events.
"""

from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from math import inf

from router.outbox.cursor import Cursor
from router.outbox.event import Event


@dataclass(slots=True, eq=False)
class Entry:
    """An event in hand. `attempts` that failed; `due` = the next one, by the monotonic clock (0 = at once, infinite =
    it is behind another one of its lead); `stored` = it is in the database as put off, as it is here unless `changed`;
    `settled` = it was taken, or given up (`dead`).
    """

    event: Event
    attempts: int = 0
    due: float = 0.0
    error: str = ""
    stored: bool = False
    changed: bool = False
    settled: bool = False
    dead: bool = False


@dataclass(slots=True)
class Backlog:
    """What was read up to `read` and is not settled. The first entry of a lead's line is the one that is sent.

    `in_hand` counts all events that are kept here; `any_away` = leads may wait in the database only.
    """

    read: Cursor
    in_flight: int = 0
    in_hand: int = 0
    any_away: bool = False
    _size: int = 0
    _order: deque[Entry] = field(default_factory=deque)
    _lines: dict[int, deque[Entry]] = field(default_factory=dict)
    _ready: deque[int] = field(default_factory=deque)
    _held: list[tuple[float, int]] = field(default_factory=list)
    _held_leads: set[int] = field(default_factory=set)
    _dead: list[Entry] = field(default_factory=list)
    _taken: list[Entry] = field(default_factory=list)
    _behind: list[Entry] = field(default_factory=list)
    _promoted: list[Entry] = field(default_factory=list)
    _loaded: set[str] = field(default_factory=set)

    @property
    def size(self) -> int:
        """Events that may be sent now, those behind them included: neither settled nor put off."""
        return self._size

    @property
    def leads(self) -> list[int]:
        """The leads that are in hand."""
        return list(self._lines)

    @property
    def idle(self) -> bool:
        """There is nothing to send, now or later."""
        return not self._lines

    @property
    def unsaved(self) -> bool:
        """What the database says of leads that wait is not what is known here."""
        return bool(self._behind or self._dead or self._taken or self._promoted)

    def add(self, entry: Entry) -> None:
        """One more event: first those that are stored as put off, then others in the order of the feed.

        One that is stored already, since it stood behind a held one, is not taken a second time.
        """
        if entry.stored:
            if entry.event.cursor > self.read:
                self._loaded.add(entry.event.id)
        elif entry.event.id in self._loaded:
            self._loaded.discard(entry.event.id)
            return
        else:
            self._order.append(entry)
        self._join(entry)

    def _join(self, entry: Entry) -> None:
        """To the end of its lead's line."""
        lead = entry.event.lead_id
        line = self._lines.setdefault(lead, deque())
        line.append(entry)
        self.in_hand += 1
        self._size += lead not in self._held_leads
        if len(line) == 1:
            self._promote(entry)

    def add_page(self, events: Collection[Event], waiting: Mapping[int, set[tuple[int, int]]]) -> None:
        """Events of the feed, of which `waiting` has, by lead, the keys of those that are stored as put off."""
        settled = self._settled_keys()
        for event in events:
            keys = waiting.get(event.lead_id, set()) - settled
            if not keys or event.lead_id in self._lines:
                self.add(Entry(event))
            elif event.key in keys:
                self._loaded.discard(event.id)
            else:
                self._stay_behind(Entry(event, due=inf))

    def _settled_keys(self) -> set[tuple[int, int]]:
        """Of events that are settled here, and in the database not yet."""
        return {entry.event.key for entry in (*self._taken, *self._dead)}

    def _stay_behind(self, entry: Entry) -> None:
        """Its lead is away: it goes there, too."""
        self._order.append(entry)
        self._behind.append(entry)

    def load(self, entries: Collection[Entry]) -> None:
        """Leads that were away, with all their events, in order; what was settled meanwhile is left out."""
        settled, known = self._settled_keys(), set(self._lines)
        for entry in entries:
            if entry.event.key not in settled and entry.event.lead_id not in known:
                self.add(entry)

    def evict(self, keep: int) -> None:
        """Forgets held leads, those that are due last first, until `keep` events are left in hand. Call it when all is
        stored.
        """
        lines = self._lines
        last_due = sorted(self._held_leads, key=lambda lead: lines[lead][0].due)
        while last_due and self.in_hand > keep:
            lead = last_due.pop()
            if all(entry.stored and not entry.changed for entry in lines[lead]):
                self._held_leads.discard(lead)
                self.in_hand -= len(lines.pop(lead))
                self.any_away = True
        self._held = [(lines[lead][0].due, lead) for lead in self._held_leads]
        heapify(self._held)

    def _wait(self, entry: Entry) -> None:
        """The first of a line waits for its time, or is ready."""
        lead = entry.event.lead_id
        if entry.due:
            self._held_leads.add(lead)
            self._size -= len(self._lines[lead])
            heappush(self._held, (entry.due, lead))
        else:
            self._ready.append(lead)

    def _promote(self, entry: Entry) -> None:
        """It is the first of its line now; in the database it may be stored as behind another one."""
        if entry.due == inf:
            entry.due, entry.changed = 0.0, entry.stored
            self._promoted += [entry] * entry.stored
        self._wait(entry)

    def next_due(self) -> float | None:
        """When the next held lead is due, by the monotonic clock."""
        self._drop_outdated()
        return self._held[0][0] if self._held else None

    def take(self, now: float, *, held_first: bool | None = None) -> Entry | None:
        """The next event to send, None = there is none now. `held_first` (or not) = for one attempt at an endpoint that
        is down: also one that is not due.
        """
        self._drop_outdated()
        while self._held and self._held[0][0] <= now:
            self._release(heappop(self._held)[1])
            self._drop_outdated()
        if held_first is not None and self._held and (held_first or not self._ready):
            self._unhold(lead := heappop(self._held)[1])
        elif self._ready:
            lead = self._ready.popleft()
        else:
            return None
        self.in_flight += 1
        return self._lines[lead][0]

    def _drop_outdated(self) -> None:
        """Entries of the heap whose lead is not held any more, or is held until another time."""
        while self._held:
            due, lead = self._held[0]
            if lead in self._held_leads and self._lines[lead][0].due == due:
                return
            heappop(self._held)

    def _unhold(self, lead: int) -> None:
        self._held_leads.discard(lead)
        self._size += len(self._lines[lead])

    def _release(self, lead: int) -> None:
        self._unhold(lead)
        self._ready.append(lead)

    def taken(self, entry: Entry) -> None:
        """The event was taken by the endpoint."""
        if entry.stored:
            self._taken.append(entry)
        self._settle(entry)

    def given_up(self, entry: Entry, error: str) -> None:
        """The event is dead; those behind it go on."""
        entry.attempts, entry.error, entry.dead = entry.attempts + 1, error, True
        self._dead.append(entry)
        self._settle(entry)

    def _settle(self, entry: Entry) -> None:
        self.in_flight -= 1
        entry.settled = True
        self.in_hand -= 1
        self._size -= 1
        line = self._lines[entry.event.lead_id]
        line.popleft()
        if line:
            self._promote(line[0])
        else:
            del self._lines[entry.event.lead_id]

    def put_off(self, entry: Entry, due: float, error: str, *, counts: bool = True) -> None:
        """The attempt failed; the next one is at `due`. `counts` = it is one of the attempts that the event has."""
        self.in_flight -= 1
        entry.attempts += counts
        entry.due, entry.error, entry.changed = due, error, True
        self._wait(entry)

    def give_back(self, entry: Entry) -> None:
        """The attempt was broken off: it is not known what became of it, and it is made again."""
        self.in_flight -= 1
        entry.due = 0.0
        self._ready.appendleft(entry.event.lead_id)

    def hurry(self, most_attempts: int) -> None:
        """The endpoint works again: what failed because it did not is tried at once."""
        for lead in [lead for lead in self._held_leads if self._lines[lead][0].attempts <= most_attempts]:
            self._lines[lead][0].due = 0.0
            self._release(lead)

    def to_store(self) -> list[Entry]:
        """What has to be stored so that `settled_upto` moves on: held events and those behind them, and dead ones.

        From here on they count as stored: when storing fails, begin anew with what is stored.
        """
        found = self._dead + self._behind
        for lead in self._held_leads:
            for number, entry in enumerate(self._lines[lead]):
                if entry.changed or not entry.stored:
                    entry.due = inf if number else entry.due
                    found.append(entry)
        held = {id(entry) for entry in found}
        found += [one for one in self._promoted if one.changed and not one.settled and id(one) not in held]
        self._dead, self._behind, self._promoted = [], [], []
        for entry in found:
            entry.stored, entry.changed = True, False
        return found

    def to_drop(self) -> list[Entry]:
        """What stands in the database as put off and was taken since the last call."""
        found, self._taken = self._taken, []
        return found

    def settled_upto(self) -> Cursor:
        """All up to here is settled, or stored as put off. Forgets what is."""
        order = self._order
        while order and (order[0].settled or order[0].stored):
            order.popleft()
        if not order:
            return self.read
        first = order[0].event.cursor
        return Cursor(first.position, first.place - 1)
