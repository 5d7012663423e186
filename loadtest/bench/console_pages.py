"""How long pages of the console take among a million leads and thousands of reps: the real process, page by page."""

import asyncio
import statistics
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any
from urllib.parse import quote

import aiohttp

from loadtest.bench.console_world import EVERYBODY, admin_token, make_console_world
from loadtest.bench.figures import Figure, figure
from loadtest.bench.stage import NotClean, Room, Stage
from loadtest.daemon import serving

_WARM_UP = 2
# A look that is so old (seconds) is not shown any more: ops/console/looks.py.
_FORGOTTEN_S = 8.0
_FORM = {"Sec-Fetch-Site": "same-origin"}


@dataclass(frozen=True, slots=True)
class Asked:
    """A page as it is asked for; `path` has places for what `for_pages` knows. Of a file the time is that of its
    first bytes.
    """

    name: str
    path: str
    file: bool = False


# A new page is one more line here.
PAGES = (
    Asked("Now", "/"),
    Asked("Leads", "/leads"),
    Asked("Leads: waiting for a reason", "/leads?state=waiting&reason=group_empty"),
    Asked("Leads: parked for a reason", "/leads?state=parked&reason=lead_invalid"),
    Asked("Leads: of a rep", "/leads?rep={rep}"),
    Asked("Leads: of a source, closed", "/leads?state=closed&source=fair"),
    Asked("Leads: of a group", "/leads?state=waiting&group=empty"),
    Asked("Leads: since a time", "/leads?state=assigned&since=2026-01-01T00:00"),
    Asked("Leads: counted", "/leads/count?state=assigned"),
    Asked("Leads: by phone", "/leads?q={phone}"),
    Asked("Leads: by name", "/leads?q=New+person+1"),
    Asked("Leads: a name that nobody has", "/leads?q=nobody"),
    Asked("A lead: assigned", "/leads/{assigned}"),
    Asked("A lead: waiting", "/leads/{waiting}"),
    Asked("A lead: why not this rep", "/leads/{waiting}?rep={rep}"),
    Asked("A lead: of long ago", "/leads/{old}"),
    Asked("A lead: closed", "/leads/{closed}"),
    Asked("Waiting & parked", "/waiting"),
    Asked("Retry: what would be done", "/waiting/retry?reason=group_empty"),
    Asked("Park all: what would be done", "/waiting/all/park?state=waiting&reason=group_empty"),
    Asked("Groups", "/groups"),
    Asked("A group of all reps", f"/groups/{EVERYBODY}"),
    Asked("A group", "/groups/g1"),
    Asked("A rep", "/reps/{rep}"),
    Asked("A rep's open leads", "/reps/{rep}/leads"),
    Asked("Hand-over by the rules: what would be done", "/reps/{rep}/handover?way=rules"),
    Asked("Shares of a group of all reps", f"/groups/{EVERYBODY}/shares"),
    Asked("My team", "/team"),
    Asked("Rules", "/rules"),
    Asked("Rules: what is odd in them", "/rules/lint"),
    Asked("Rules: a version", "/rules/versions/1"),
    Asked("Rules: a new draft", "/rules/draft"),
    Asked("Events", "/events"),
    Asked("Imports", "/imports"),
    Asked("Imports: a new one", "/imports/new"),
    Asked("Blockers", "/blockers"),
    Asked("Doctor", "/doctor"),
    Asked("Changes", "/changes?since=30d"),
    Asked("A runbook", "/runbook/groups_empty"),
    Asked("flow.csv", "/flow.csv", file=True),
    Asked("waiting.csv", "/waiting.csv", file=True),
    Asked("parked.csv", "/parked.csv", file=True),
    Asked("leads.csv", "/leads.csv?state=assigned", file=True),
    Asked("groups.csv", "/groups.csv", file=True),
    Asked("members.csv", f"/groups/{EVERYBODY}/members.csv", file=True),
    Asked("team.csv", "/team.csv", file=True),
    Asked("events.csv", "/events.csv", file=True),
    Asked("doctor.csv", "/doctor.csv", file=True),
    Asked("changes.csv", "/changes.csv?since=30d", file=True),
)


async def console_pages(stage: Stage) -> list[Figure]:
    """console_pages_p99: the p99 of the page whose p99 is the highest."""
    async with stage.room() as room:
        world, known = await make_console_world(stage, room)
        stage.say(f"asks for {len(PAGES)} pages in turns")
        async with _console(room) as (session, url):
            taken = await _in_turns(session, url, known, stage.size(100, 2))
            first = await _after_a_pause(session, url, stage.size(5, 1))
    p99s = {name: _p99(seconds) * 1000 for name, seconds in taken.items()}
    worst = max(p99s, key=p99s.__getitem__)
    each = ", ".join(f"{name} {statistics.median(taken[name]) * 1000:.0f}/{p99s[name]:.0f}" for name in p99s)
    unseen = statistics.median(first) * 1000
    note = (
        f"`serve --role console`, {world.in_words}, all in one group, too; {len(taken[worst])} rounds over loopback, "
        f"from the request to the last byte (of files: to the first); the slowest is {worst}; Now, when nobody has "
        f"looked for {_FORGOTTEN_S:.0f} s: {unseen:.0f} ms; median/p99 in ms: {each}"
    )
    return [figure("console_pages_p99", [p99s[worst]], note)]


@asynccontextmanager
async def _console(room: Room) -> AsyncIterator[tuple[aiohttp.ClientSession, str]]:
    """The console as a process of its own, and a browser that is that may see every page."""
    token = await admin_token(room)
    async with serving(room.url, "serve", "--role", "console") as daemon:
        await daemon.said("console listening")
        port = next(line["port"] for line in daemon.log if line.get("event") == "console listening")
        url = f"http://127.0.0.1:{port}"
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
            form = {"token": token, "back": "/runbook/groups_empty"}
            async with session.post(f"{url}/login", data=form, headers=_FORM) as answer:
                if answer.status != 200:
                    raise NotClean(f"nobody could log in: {answer.status}: {(await answer.text())[:500]}")
            yield session, url
        await daemon.stop()


async def _in_turns(
    session: aiohttp.ClientSession, url: str, known: Mapping[str, Any], rounds: int
) -> dict[str, list[float]]:
    """Seconds by page, ascending; the first rounds are the warm-up."""
    places = {name: quote(str(value), safe="") for name, value in known.items()}
    taken: dict[str, list[float]] = {asked.name: [] for asked in PAGES}
    for turn in range(rounds + _WARM_UP):
        for asked in PAGES:
            seconds = await _seconds(session, url + asked.path.format(**places), asked, cold=turn < _WARM_UP)
            if turn >= _WARM_UP:
                taken[asked.name].append(seconds)
    return {name: sorted(seconds) for name, seconds in taken.items()}


async def _after_a_pause(session: aiohttp.ClientSession, url: str, times: int) -> list[float]:
    """Seconds of the first page when no look is remembered that may still be shown."""
    found = []
    for _ in range(times):
        await asyncio.sleep(_FORGOTTEN_S)
        found.append(await _seconds(session, f"{url}/", PAGES[0]))
    return found


async def _seconds(session: aiohttp.ClientSession, url: str, asked: Asked, *, cold: bool = False) -> float:
    """How long one answer took. A search that finds one lead goes to its page, and ends there. Raises NotClean for an
    answer that is not the page; while the process is `cold` it may be that it was not ready in time.
    """
    begin = perf_counter()
    async with session.get(url, allow_redirects=False) as answer:
        if asked.file:
            await answer.content.readany()
            taken = perf_counter() - begin
            await answer.read()
        else:
            await answer.read()
            taken = perf_counter() - begin
        if answer.status not in ((200, 303, 503) if cold else (200, 303)):
            raise NotClean(f"{asked.name} answered {answer.status}: {(await answer.text())[:500]}")
        if answer.status == 303 and "/login" in answer.headers["Location"]:
            raise NotClean(f"{asked.name} asks for a login")
    return taken


def _p99(ascending: Sequence[float]) -> float:
    """The nearest rank: of a hundred the last but one."""
    return ascending[-(-len(ascending) * 99 // 100) - 1]
