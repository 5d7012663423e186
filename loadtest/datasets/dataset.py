"""What a replay needs of real data, whoever published them; and where the data are."""

import csv
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from router.domain.lead_in import LeadIn
from router.store.assignments import Ending

MIDNIGHT = time(0)


class DataMissing(Exception):
    """The real data are not there; the message says where they were looked for."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A lead and when it arrives (UTC)."""

    at: datetime
    lead: LeadIn


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it ended with a lead, and when (UTC); None = nobody knows when."""

    external_id: str
    how: Ending
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Dataset:
    """Real leads, who worked on them, and what became of them; the rules are in `NAME_rules.yaml`, beside the code.

    Either `arrivals` are replayed at their times, or, where there are no times, `file` is imported with `mapping`
    and `synonyms` (rows of a synonyms file). `visits` are clock readings at which waiting leads may find somebody:
    midnight, when a business day begins, and when somebody's working hours begin. `first_touches` are how long leads
    waited there for the first person, where that is known.
    """

    name: str
    zone: ZoneInfo
    roster: Sequence[dict[str, str]]
    outcomes: Sequence[Outcome]
    mapping: str
    arrivals: Sequence[Arrival] = ()
    visits: Sequence[time] = (MIDNIGHT,)
    file: Path | None = None
    synonyms: Sequence[dict[str, str]] = ()
    first_touches: Sequence[timedelta] = ()

    @property
    def rules(self) -> Path:
        return Path(__file__).with_name(f"{self.name}_rules.yaml")


def folder_of(name: str, files: Sequence[str], what: str) -> Path:
    """The folder of one publisher's data: in `LEAD_ROUTER_DATA`, else in `../shared/data` from the project's root.

    Raises DataMissing when one of the files is not in it; `what` names the data to people.
    """
    configured = os.environ.get("LEAD_ROUTER_DATA")
    root = Path(configured) if configured else Path(__file__).resolve().parents[3] / "shared" / "data"
    folder = root / name
    for file in files:
        if not (folder / file).is_file():
            raise DataMissing(
                f"{folder / file} is not there. Put {what} into that folder, "
                f"or let LEAD_ROUTER_DATA name the folder that holds `{name}/`."
            )
    return folder


def rows(path: Path) -> Iterator[dict[str, str]]:
    """The rows of a CSV file in UTF-8."""
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)
