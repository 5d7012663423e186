"""The demo's input, generated: a roster, rules, a mapping and 5,000 leads with what real lists have in them.

Everything follows from `seed` and `start`: the same two give the same bytes. No clock is read here.
"""

import csv
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar
from zoneinfo import ZoneInfo

from loadtest.datasets.demo_roster import (
    EAST,
    FAMILY_NAMES,
    GIVEN_NAMES,
    INDUSTRIES,
    NORTH,
    REP_COLUMNS,
    SOUTH,
    WEST,
    reps,
)

T = TypeVar("T")
BUSINESS_ZONE = ZoneInfo("Asia/Shanghai")
LEADS = 5000
SEED = 20
LEAD_COLUMNS = (
    "lead_no",
    "channel",
    "created_at",
    "name",
    "phone",
    "email",
    "company",
    "region",
    "industry",
    "product",
    "campaign",
    "priority",
)
MAPPING = """\
# How the columns of leads.csv are called in lead-router, and how to read them.
rename:
  lead_no: external_id
  channel: source
time_zone: Asia/Shanghai    # of times without an offset
empty: ["-", n/a, unknown]    # besides nothing at all
require_contact: true       # whom nobody can reach is parked, for a person to look at
"""
EMPTY = ("", "-", "n/a", "unknown")
"""Texts that mean nothing, as the mapping says."""
EUROPE = ("Germany", "Austria", "Switzerland", "France", "Italy", "Poland")
AMERICAS = ("USA", "Canada", "Brazil", "Argentina", "Chile")
# Region lists and how often a lead comes from one of them.
REGIONS: tuple[tuple[tuple[str, ...], int], ...] = (
    (EAST, 26),
    (NORTH, 14),
    (SOUTH, 16),
    (WEST, 7),
    (EUROPE, 11),
    (AMERICAS, 10),
    (("India",), 6),
    (("", "unknown", "n/a"), 6),
    (("Atlantis", "Shanghia"), 4),
)
SOURCES = (("website", 40), ("wechat", 25), ("phone", 10), ("partner", 8), ("baidu", 12), ("other", 5))
CAMPAIGNS = (("", 70), ("spring-sale", 14), ("webinar-drives", 3), ("canton-fair", 3), ("newsletter", 10))
PRIORITIES = (("", 90), ("0", 3), ("5", 5), ("10", 2))
PRODUCTS = ("plc", "drive", "sensor", "robot", "vision", "")
COMPANIES = ("Works", "Tools", "Systems", "Foods", "Logistics", "Plant", "Packaging", "Motors")
DIAL = {"Germany": "+49 30 5", "USA": "+1 212 5", "India": "+91 98 20", "Brazil": "+55 11 972"}


@dataclass(frozen=True, slots=True)
class DemoFiles:
    """What `write` wrote."""

    reps: Path
    rules: Path
    mapping: Path
    leads: Path


def demo_files(folder: Path) -> DemoFiles:
    """The files of `folder`, there or not."""
    return DemoFiles(folder / "reps.csv", folder / "rules.yaml", folder / "mapping.yaml", folder / "leads.csv")


def write(folder: Path, start: datetime, seed: int = SEED, leads: int = LEADS) -> DemoFiles:
    """Writes the demo's four files. `start` (aware) is when the demo begins: leads were created before it."""
    files = demo_files(folder)
    folder.mkdir(parents=True, exist_ok=True)
    rng = random.Random(seed)
    _write_csv(files.reps, REP_COLUMNS, reps(rng, start.astimezone(BUSINESS_ZONE).date()))
    files.rules.write_bytes(Path(__file__).with_name("demo_rules.yaml").read_bytes())
    files.mapping.write_text(MAPPING, encoding="utf-8")
    _write_csv(files.leads, LEAD_COLUMNS, _leads(rng, start, leads))
    return files


def _write_csv(path: Path, columns: tuple[str, ...], rows: Iterable[dict[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _leads(rng: random.Random, start: datetime, n: int) -> Iterator[dict[str, str]]:
    """`n` rows: new enquiries, and some lines twice, exact repeats, and customers who ask again."""
    recent: list[dict[str, str]] = []
    for number in range(1, n + 1):
        kind = rng.random()
        earlier = rng.choice(recent) if recent else None
        if earlier and kind < 0.012:
            row = earlier  # the export holds the line twice
        elif earlier and kind < 0.024:
            row = earlier | {"lead_no": _lead_no(number)}  # somebody pressed "send" twice
        elif earlier and kind < 0.075:
            row = _asks_again(rng, earlier, number, start)
        else:
            row = enquiry(rng, number, start)
        recent = [*recent[-300:], row]
        yield row


def enquiry(rng: random.Random, number: int, start: datetime) -> dict[str, str]:
    """A row of `leads.csv`, by LEAD_COLUMNS."""
    region = rng.choice(_weighted(rng, REGIONS))
    given, family = rng.choice(GIVEN_NAMES), rng.choice(FAMILY_NAMES)
    return {
        "lead_no": _lead_no(number),
        "channel": _weighted(rng, SOURCES),
        "created_at": _moment(rng, start),
        "name": f"{given} {family}",
        "phone": _phone(rng, region),
        "email": f"{given}.{family}.{number}@example.com".lower() if rng.random() < 0.7 else "",
        "company": f"{family} {rng.choice(COMPANIES)}",
        "region": region,
        "industry": _weighted(rng, ((rng.choice(INDUSTRIES), 82), ("", 10), ("medical", 4), ("education", 4))),
        "product": rng.choice(PRODUCTS),
        "campaign": _weighted(rng, CAMPAIGNS),
        "priority": _weighted(rng, PRIORITIES),
    }


def _asks_again(rng: random.Random, earlier: dict[str, str], number: int, start: datetime) -> dict[str, str]:
    """The same customer with another wish."""
    again = {"lead_no": _lead_no(number), "created_at": _moment(rng, start), "product": rng.choice(PRODUCTS)}
    return earlier | again


def _lead_no(number: int) -> str:
    return f"D{number:05d}"


def _moment(rng: random.Random, start: datetime) -> str:
    """Within the last 30 hours, more of them late; most with their offset, some without."""
    at = start - timedelta(seconds=int(30 * 3600 * rng.random() ** 2))
    local = at.astimezone(BUSINESS_ZONE).replace(microsecond=0)
    return local.strftime("%Y-%m-%d %H:%M:%S") if rng.random() < 0.3 else local.isoformat()


def _phone(rng: random.Random, region: str) -> str:
    if rng.random() < 0.08:
        return ""
    if region in DIAL:
        return f"{DIAL[region]}{rng.randint(100000, 999999)}"
    return f"{rng.choice(('138', '139', '150', '186'))}{rng.randint(10000000, 99999999)}"


def _weighted(rng: random.Random, choices: Iterable[tuple[T, int]]) -> T:
    values, weights = zip(*choices, strict=True)
    chosen: T = rng.choices(values, weights)[0]
    return chosen
