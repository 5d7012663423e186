"""The demo's reps: field teams with office hours, a desk that follows the sun, and the usual gaps."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

REP_COLUMNS = (
    "rep_id",
    "name",
    "available",
    "time_zone",
    "working_hours",
    "leave",
    "groups",
    "regions",
    "industries",
    "weight",
    "max_open",
    "max_per_day",
    "manager_id",
    "team",
)

ON_DUTY = ("是", "yes", "true", "1", "在岗", "on")
AWAY = ("否", "no", "离岗", "off")
OFFICE_CN = "mon-fri 09:00-12:00,13:00-18:00"
OFFICE = "mon-fri 08:30-12:30,13:30-17:30"
ALWAYS = "mon-sun 00:00-24:00"
EAST = ("Shanghai", "Hangzhou", "Nanjing", "Suzhou")
NORTH = ("Beijing", "Tianjin", "Qingdao")
SOUTH = ("Shenzhen", "Guangzhou", "Xiamen")
WEST = ("Chengdu", "Chongqing", "Xian")
INDUSTRIES = ("automation", "electronics", "food", "chemicals", "logistics")
FAMILY_NAMES = (
    "Wang",
    "Li",
    "Zhang",
    "Chen",
    "Liu",
    "Schmidt",
    "Weber",
    "Miller",
    "Garcia",
    "Silva",
    "Sharma",
    "Patel",
)
GIVEN_NAMES = (
    "Wei",
    "Min",
    "Jing",
    "Lei",
    "Anna",
    "Jonas",
    "Emma",
    "Noah",
    "Lucia",
    "Pedro",
    "Asha",
    "Ravi",
    "Yan",
)


@dataclass(frozen=True, slots=True)
class Team:
    """`size` reps who share a group, a place and hours. Empty `group` = hired, but put into no group yet.

    `away`: 0 = the odd one is away, 1 = everybody is on leave, 2 = everybody says "not available".
    """

    group: str
    size: int
    time_zone: str
    hours: str
    regions: tuple[str, ...] = ()
    max_open: int | None = None
    max_per_day: int | None = None
    away: int = 0


# The desk's shifts overlap around the clock, seven days a week: whenever the demo runs, somebody is on duty.
TEAMS = (
    Team("desk", 18, "Asia/Shanghai", "mon-sun 07:00-19:00", max_open=400, max_per_day=300),
    Team("desk", 12, "Asia/Kolkata", "mon-sun 07:00-19:00", max_open=400, max_per_day=300),
    Team("desk", 12, "Europe/Berlin", "mon-sun 07:00-19:00", max_open=400, max_per_day=300),
    Team("desk", 14, "America/New_York", "mon-sun 07:00-19:00", max_open=400, max_per_day=300),
    Team("desk", 8, "America/Sao_Paulo", "mon-sun 09:00-21:00", max_open=400, max_per_day=300),
    Team("east", 26, "Asia/Shanghai", OFFICE_CN, EAST),
    Team("north", 18, "Asia/Shanghai", OFFICE_CN, NORTH),
    Team("south", 18, "Asia/Shanghai", "mon-sat 09:30-12:00,13:00-18:30", SOUTH),
    Team("west", 8, "Asia/Shanghai", "", WEST),
    Team("europe", 16, "Europe/Berlin", OFFICE, ("Germany", "Austria", "France", "Italy")),
    Team("americas", 14, "America/New_York", OFFICE, ("USA", "Canada")),
    Team("latam", 8, "America/Sao_Paulo", OFFICE, ("Brazil", "Argentina")),
    Team("india", 10, "Asia/Kolkata", "mon-sat 09:30-13:00,14:00-18:30", ("India",)),
    Team("key-accounts", 6, "Asia/Shanghai", ALWAYS, max_open=5),
    Team("events", 5, "Asia/Shanghai", ALWAYS, max_per_day=4),
    Team("medical", 5, "Asia/Shanghai", ALWAYS, away=1),
    Team("schools", 4, "Asia/Shanghai", ALWAYS, away=2),
    Team("", 5, "Asia/Shanghai", OFFICE_CN, EAST),
)


def reps(rng: random.Random, today: date) -> Iterator[dict[str, str]]:
    """Rows of reps.csv. `today` is the demo's business day; leave is laid around it."""
    number = 0
    for team in TEAMS:
        for _ in range(team.size):
            number += 1
            yield _rep(rng, team, number, today)


def _rep(rng: random.Random, team: Team, number: int, today: date) -> dict[str, str]:
    on_leave = team.away == 1 or (team.away == 0 and rng.random() < 0.04)
    away = team.away == 2 or (team.away == 0 and rng.random() < 0.04)
    groups = [team.group] if team.group else []
    if team.group in ("east", "north", "south") and rng.random() < 0.1:
        groups.append("west")
    return {
        "rep_id": f"r{number:03d}",
        "name": f"{rng.choice(GIVEN_NAMES)} {rng.choice(FAMILY_NAMES)}",
        "available": rng.choice(AWAY if away else ON_DUTY),
        "time_zone": team.time_zone,
        "working_hours": team.hours,
        "leave": _leave(rng, today) if on_leave else "",
        "groups": ";".join(groups),
        "regions": ";".join(_some(rng, team.regions)),
        "industries": ";".join(_some(rng, INDUSTRIES)),
        "weight": rng.choice(("1", "1", "1", "0.5", "1.5", "2")),
        "max_open": "" if team.max_open is None else str(team.max_open),
        "max_per_day": "" if team.max_per_day is None else str(team.max_per_day),
        "manager_id": f"m-{team.group or 'none'}",
        "team": f"{team.group or 'new hires'} {team.time_zone.rpartition('/')[2].replace('_', ' ')}",
    }


def _leave(rng: random.Random, today: date) -> str:
    first = today - timedelta(days=rng.randint(1, 5))
    return f"{first.isoformat()}..{(today + timedelta(days=rng.randint(3, 20))).isoformat()}"


def _some(rng: random.Random, values: tuple[str, ...]) -> list[str]:
    return sorted(rng.sample(values, min(len(values), rng.randint(1, 2)))) if values and rng.random() < 0.5 else []
