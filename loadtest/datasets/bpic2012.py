"""13,087 applications for a loan at a Dutch bank, and the handlers who worked on them, over the end of summer time.

The data stay where they are (`data_folder`); only code is here. What they do not say is filled in so:

* The first queue of an application is taken as known when it arrives; at the bank it was a minute later.
  What never came to a queue was decided without anybody: no rule matches it, and its end is nobody's.
* Whoever was first to work on an application, or next, is in the roster from the first day, in the groups of the
  queues in which that happened. Hours are those in which the handler began work on applications, day by day of
  the week. Membership and hours use hindsight, nothing else does. Ends count from the moment they happened.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

from loadtest.datasets.dataset import MIDNIGHT, Arrival, Dataset, Outcome, folder_of, rows
from router.domain.lead_in import LeadIn
from router.domain.working_hours import WEEKDAYS
from router.store.assignments import Ending

NAME = "bpic2012"
ZONE = ZoneInfo("Europe/Amsterdam")
FILE = "applications.csv"
LARGE_FROM = 15_000
MAPPING = """\
# Reads the applications; their times have offsets. What became of them later is no part of the lead.
rename: {case_id: external_id, submitted_at: created_at, first_queue_activity: product}
constants: {source: bank}
unknown_columns: drop
"""
GROUP_OF_QUEUE = {
    "W_Completeren aanvraag": "completing",
    "W_Afhandelen leads": "first-calls",
    "W_Beoordelen fraude": "fraud",
}
ENDINGS = {"APPROVED": Ending.WON, "DECLINED": Ending.LOST, "CANCELLED": Ending.LOST}
# A day of the week on which a handler does less than this share of the work is no working day of the handler.
_LEAST_SHARE = 1 / 20
# What is earlier or later than nearly all that the handler did on that day of the week is overtime.
_OVERTIME = 1 / 20


@dataclass(frozen=True, slots=True)
class Application:
    """One application; times are UTC. None = it never came to a queue, nobody began, no outcome is recorded.

    `handlers` are who began to work on it and who came next: none, one or two.
    """

    case_id: str
    amount: int
    submitted_at: datetime
    queue: str | None
    first_touch: datetime | None
    handlers: tuple[str, ...]
    ending: Ending | None
    last_event_at: datetime


def data_folder() -> Path:
    """Raises DataMissing."""
    return folder_of(NAME, [FILE], "the applications of the BPI challenge of 2012")


def read_applications(folder: Path) -> list[Application]:
    """All applications in the order of their arrival."""
    found = [parse_application(row) for row in rows(folder / FILE)]
    return sorted(found, key=lambda one: (one.submitted_at, one.case_id))


def parse_application(row: dict[str, str]) -> Application:
    """Raises KeyError or ValueError for a row that is not one of the data's."""
    began = row["first_start_at"]
    handlers = dict.fromkeys(filter(None, (row["first_start_resource"], row["next_resource"])))
    return Application(
        case_id=row["case_id"],
        amount=int(row["amount_req"]),
        submitted_at=_utc(row["submitted_at"]),
        queue=row["first_queue_activity"] or None,
        first_touch=_utc(began) if began else None,
        handlers=tuple(handlers),
        ending=ENDINGS[row["outcome"]] if row["outcome"] else None,
        last_event_at=_utc(row["last_event_at"]),
    )


def _utc(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no offset")
    return moment.astimezone(UTC)


def lead_in(application: Application) -> LeadIn:
    """The lead as `leads import` with MAPPING would take it, but that large amounts come first."""
    return LeadIn(
        source="bank",
        external_id=application.case_id,
        created_at=application.submitted_at,
        product=application.queue,
        priority=int(application.amount >= LARGE_FROM),
    )


def dataset(most: int | None = None) -> Dataset:
    """The earliest `most` applications, or all. Raises DataMissing."""
    everything = read_applications(data_folder())
    taken = everything[:most]
    reps = roster(everything)
    return Dataset(
        name=NAME,
        zone=ZONE,
        roster=reps,
        arrivals=[Arrival(one.submitted_at, lead_in(one)) for one in taken],
        outcomes=[Outcome(one.case_id, one.ending, one.last_event_at) for one in taken if one.ending and one.queue],
        mapping=MAPPING,
        visits=openings(reps),
        first_touches=[one.first_touch - one.submitted_at for one in taken if one.first_touch],
    )


def roster(applications: Iterable[Application]) -> list[dict[str, str]]:
    """Rows of reps.csv: every handler, with groups and hours from the handler's own work."""
    handled: dict[str, list[Application]] = defaultdict(list)
    for application in applications:
        for handler in application.handlers:
            handled[handler].append(application)
    return [
        {
            "rep_id": handler,
            "name": f"handler {handler}",
            "available": "yes",
            "time_zone": ZONE.key,
            "working_hours": working_hours(one.first_touch for one in handled[handler] if one.first_touch),
            "groups": ";".join(_groups(handled[handler])),
            "weight": "1",
        }
        for handler in sorted(handled)
    ]


def _groups(handled: Sequence[Application]) -> list[str]:
    """The groups of the queues; whoever completes large applications gets these too."""
    groups = {GROUP_OF_QUEUE[one.queue] for one in handled if one.queue}
    if any(one.amount >= LARGE_FROM and one.queue == "W_Completeren aanvraag" for one in handled):
        groups.add("large")
    return sorted(groups)


def working_hours(touches: Iterable[datetime]) -> str:
    """Working hours in full hours of the bank's clock, from when somebody began work (aware); never without any."""
    local = [touch.astimezone(ZONE) for touch in touches]
    by_day: dict[int, list[int]] = defaultdict(list)
    for touch in local:
        by_day[touch.weekday()].append(touch.hour)
    spans = {day: _span(hours) for day, hours in by_day.items() if len(hours) >= _LEAST_SHARE * len(local)}
    return "; ".join(f"{WEEKDAYS[day]} {first:02}:00-{last:02}:00" for day, (first, last) in sorted(spans.items())) or (
        "never"
    )


def _span(hours: Sequence[int]) -> tuple[int, int]:
    """From the first hour to the end of the last one, without the overtime at either end."""
    ordered, overtime = sorted(hours), int(len(hours) * _OVERTIME)
    return ordered[overtime], ordered[-1 - overtime] + 1


def openings(reps: Iterable[dict[str, str]]) -> list[time]:
    """Midnight, and the clock readings at which somebody's hours begin."""
    texts = Counter(part.split()[1][:5] for rep in reps for part in rep["working_hours"].split("; ") if " " in part)
    return sorted({MIDNIGHT, *(time.fromisoformat(text) for text in texts)})
