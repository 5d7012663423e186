"""The events of one endpoint that are in hand: which may be sent now, and up to where all is settled. Pure.

Events of one lead go out one after the other, those of different leads side by side. A lead whose event failed waits
for its next attempt, and its later events behind it; everybody else goes on.
"""

from collections import deque
from dataclasses import dataclass, field
from heapq import heappop, heappush

from router.outbox.cursor import Cursor
from router.outbox.event import Event


@dataclass(slots=True, eq=False)
class Entry:
    """An event in hand. `attempts` that failed; `due` = the next one, by the monotonic clock; `stored` = it stands in
    the database as put off, as it is here unless `changed`; `settled` = it was taken, or given up (`dead`).
    """

    event: Event
    attempts: int = 0
    due: float = 0.0
    error: str = ""
    stored: bool = False
    changed: bool = False
    settled: bool = False
    dead: bool = False
    counted: bool = False


@dataclass(slots=True)
class Backlog:
    """What was read up to `read` and is not settled. The first entry of a lead's line is the one that is sent."""

    read: Cursor
    in_flight: int = 0
    _size: int = 0
    _order: deque[Entry] = field(default_factory=deque)
    _lines: dict[int, deque[Entry]] = field(default_factory=dict)
    _ready: deque[int] = field(default_factory=deque)
    _held: list[tuple[float, int]] = field(default_factory=list)
    _held_leads: set[int] = field(default_factory=set)
    _dead: list[Entry] = field(default_factory=list)
    _taken: list[Entry] = field(default_factory=list)
    _loaded: set[str] = field(default_factory=set)

    @property
    def size(self) -> int:
        """Events that are neither settled nor put off."""
        return self._size

    @property
    def leads_held(self) -> int:
        """Leads that wait for an attempt."""
        return len(self._held_leads)

    @property
    def idle(self) -> bool:
        """There is nothing to send, now or later."""
        return not self._lines

    def add(self, entry: Entry) -> None:
        """One more event: first those that are stored as put off, then others in the order of the feed.

        One that is stored already, since it stood behind a held one, is not taken a second time.
        """
        if entry.stored:
            self._loaded.add(entry.event.id)
        elif entry.event.id in self._loaded:
            self._loaded.discard(entry.event.id)
            return
        else:
            self._order.append(entry)
            entry.counted = True
            self._size += 1
        line = self._lines.setdefault(entry.event.lead_id, deque())
        line.append(entry)
        if len(line) == 1:
            self._wait(entry)

    def _wait(self, entry: Entry) -> None:
        """The first of a line waits for its time, or is ready."""
        lead = entry.event.lead_id
        if entry.due:
            self._held_leads.add(lead)
            heappush(self._held, (entry.due, lead))
        else:
            self._ready.append(lead)

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
            self._held_leads.discard(lead := heappop(self._held)[1])
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

    def _release(self, lead: int) -> None:
        self._held_leads.discard(lead)
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
        self._discount(entry)
        line = self._lines[entry.event.lead_id]
        line.popleft()
        if line:
            line[0].due = 0.0
            self._wait(line[0])
        else:
            del self._lines[entry.event.lead_id]

    def _discount(self, entry: Entry) -> None:
        self._size -= entry.counted
        entry.counted = False

    def put_off(self, entry: Entry, due: float, error: str, *, counts: bool = True) -> None:
        """The attempt failed; the next one is at `due`. `counts` = it is one of the attempts that the event has."""
        self.in_flight -= 1
        self._discount(entry)
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
        lines = (self._lines[lead] for lead in self._held_leads)
        found = [entry for line in lines for entry in line if entry.changed or not entry.stored] + self._dead
        self._dead = []
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
