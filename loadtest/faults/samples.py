"""What is looked at while a flat run goes on: rates, waits, sizes of tables, what the routers hold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic

import psutil

from loadtest.daemon import Daemon
from loadtest.faults.people import SQL, Session
from loadtest.slopes import Series

# Nothing removes what these keep until it is older than the setting says; those without one are kept for good. Where a
# run is too short for that they grow, as they should, and what is judged is how much they grow by the lead.
KEPT: Mapping[str, str | None] = {
    "lead": "cleanup_closed_leads_days",
    "closed": "cleanup_closed_leads_days",
    "assignment_history": "cleanup_assignment_history_days",
    "flight": "cleanup_flight_records_days",
    "change": "cleanup_changes_days",
    "cleanup_run": None,
    "archived": None,
    "event": "events_retention_days",
}
_MB = float(1 << 20)


@dataclass(slots=True)
class Samples:
    """Takes them; `series()` has all that was taken. `growing` = tables that nothing makes smaller in this run."""

    conn: Session
    tenants: Sequence[int]
    routers: Sequence[Daemon]
    growing: frozenset[str]
    _begin_s: float = field(default_factory=monotonic)
    _taken: dict[str, tuple[str, list[float], list[float]]] = field(default_factory=dict)
    _before: dict[str, float] = field(default_factory=dict)
    _free_to: dict[str, float] = field(default_factory=dict)
    _numbers: list[int] = field(default_factory=list)

    async def take(self) -> None:
        """One sample of everything. What is counted from sample to sample comes with the second one."""
        at_s = monotonic() - self._begin_s
        rows = [dict(row) for row in await SQL.table_sizes.fetch(self.conn)]
        leads = next(float(row["inserted"]) for row in rows if row["name"] == "lead")
        new_leads = leads - self._before.get("lead", leads)
        for row in rows:
            self._table(at_s, row, new_leads)
        await self._flow(at_s, rows)
        self._before |= {"at": at_s, "lead": leads}
        for number, daemon in enumerate(self.routers, 1):
            process = psutil.Process(daemon.process.pid)
            self._note(at_s, f"memory of router {number}", "MB", process.memory_info().rss / _MB)
            self._note(at_s, f"open files of router {number}", "files", process.num_fds())

    def _table(self, at_s: float, row: Mapping[str, object], new_leads: float) -> None:
        name = str(row["name"])
        for what, key in (("table", "table_bytes"), ("indexes of", "index_bytes")):
            size = float(str(row[key]))
            if name not in self.growing:
                self._note(at_s, f"{what} {name}", "MB", size / _MB)
            elif new_leads > 0 and f"{what} {name}" in self._before:
                grown = size - self._before[f"{what} {name}"]
                self._note(at_s, f"{what} {name}, growth", "bytes/lead", grown / new_leads)
            self._before[f"{what} {name}"] = size
        self._note(at_s, f"dead rows of {name}", "rows", float(str(row["dead"])))
        self._free_to[f"dead rows of {name}"] = float(str(row["left_to_vacuum"]))

    async def _flow(self, at_s: float, rows: Sequence[Mapping[str, object]]) -> None:
        """Assignments a second, and how long those leads waited that came between the two samples before."""
        assigned = next(float(str(row["inserted"])) for row in rows if row["name"] == "assignment")
        if "assigned" in self._before:
            self._note(
                at_s, "throughput", "leads/s", (assigned - self._before["assigned"]) / (at_s - self._before["at"])
            )
        self._before["assigned"] = assigned
        self._numbers = [*self._numbers[-1:], await SQL.last_number.value(self.conn, tenant_ids=list(self.tenants))]
        if len(self._numbers) == 2:
            await self._waits(at_s, *self._numbers)

    async def _waits(self, at_s: float, first: int, last: int) -> None:
        wait_s = await SQL.wait_p99.value(self.conn, tenant_ids=list(self.tenants), first=first, last=last)
        if wait_s is not None:
            self._note(at_s, "p99 from arrival to assignment", "ms", float(wait_s) * 1000)

    def _note(self, at_s: float, name: str, unit: str, value: float) -> None:
        _, times, values = self._taken.setdefault(name, (unit, [], []))
        times.append(at_s)
        values.append(float(value))

    def series(self, from_s: float = 0.0) -> list[Series]:
        """All that was taken from then on (seconds since the first)."""
        found = []
        for name, (unit, times, values) in self._taken.items():
            first = next((place for place, at_s in enumerate(times) if at_s >= from_s), len(times))
            found.append(Series(name, unit, times[first:], values[first:], self._free_to.get(name)))
        return found
