"""No English sentence is left on a Chinese page of the console, in a world where much is wrong."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

import asyncpg
import pytest

from router.domain.access import TokenRole
from router.store.connections.connections import Connections
from tests.http.console import Browser, Page, Served, serving_console
from tests.http.english_left import english_left
from tests.http.support import make_token
from tests.postgres.test_webhooks import a_webhook, delivering
from tests.sink import a_sink
from tests.support import connected, until
from tests.world import Tenancy, a_drain, lead, make_tenant, reps_csv, settle

REPS = reps_csv(
    [
        "r001,Ann,yes,UTC,all;east,3,40",
        "r002,Ben,yes,UTC,all,1000,1000",
        "r003,Cho,no,UTC,all,1000,1000",
        "r004,Dee,yes,UTC,,1000,1000",
        "r005,Eve,yes,UTC,full,1,1",
    ]
)
RULES = """
calendar: {country: CN}
rules:
  - {name: owner, match: {known_customer: true}, assign_to: owner, fall_back_after: 30m}
  - {name: mars, match: {region: Mars}, assign_to: "group:mars", on_no_candidate: wait}
  - {name: full, match: {region: Full}, assign_to: "group:full", on_no_candidate: wait}
  - {name: closed, match: {region: Night}, assign_to: "group:all", on_no_candidate: wait, window: never}
  - {name: east, match: {region: [East, Ost], industry: {not: toys}}, assign_to: "group:east"}
  - {name: wide, match: {region: West}, assign_to: "group:all"}
  - {name: narrow, match: {region: West, product: robot}, assign_to: "rep:r001"}
  - {name: rest, match: {product: {present: true}}, assign_to: "group:all"}
"""
BROKEN = """
bussiness_time_zone: UTC
max_age: soon
no_match_max_age: [4h]
default_phone_region: Germany
calendar: {country: Atlantis, working_hours: {mon: "9-17", fun: "09:00-12:00"}}
defaults: {max_open: many, max_per_day: -1}
weights: {region_match: 0, close_rate: {lookback_days: 9, segment: moon}}
presence: {ttl: 5m}
groups: {east: {}, EAST: {time_zone: GMT+8}}
presence: off
rules:
  - {name: a, match: {region: {}, regoin: x}, assign_to: "group:"}
  - {name: a, match: {priority: {from: 9, to: 1}, date: {from: 2026-12-01, to: 2026-11-01}}, assign_to: east}
  - {name: 7, match: , assign_to: {group: east}}
  - {match: {created: tomorrow, attributes: {budget: 1}}, assign_to: owner, owns: yes, on_no_candidate: wait}
  - {name: b, match: {attributes.budget: {from: 9, to: 1}, region: {present: false, not: x}}, assign_to: "rep:"}
  - {name: c, match: {company: {in_file: /etc/passwd}, date: {}, phone_region: Mars}, assign_to: "group:a|b"}
  - {name: d, match: {known_customer: perhaps, region: !x y, industry: ""}, assign_to: "rep:Q", fall_back_after: 1h}
  - {name: e, match: {attributes.budget: {from: 1,000}, date: {from: 1900-01-01}, region: []}, assign_to: "rep:q"}
  - {name: f, match: {priority: {}, region: {beginns: x}}, assign_to: "group:east", window: {}}
  - nothing
"""
NOT_YAML = ("rules: [", "rules:\n\t- x", "a: b: c", "a: *b", "a: &a [*a]", "", "x: \x07")
BAD_ROWS = """external_id,name,phone,created_at,priority,attributes
1,Ann,+8613812345601,2026-11-20 10:00,1,
,Dan,+8613812345604,,,
total,,,,,
external_id,name,phone,created_at,priority,attributes
2,Ben,+8613812345602,12/13/14,9999999999,[1]
3,Cid
1.18174E+11,Eve,+8613812345605,,,
"4,Fay,,,,
5",Gus,,,,
NULL,Hal,,,,
6,Ida,12,,"x","{""a"": 1"
"""
MAPPING = """
rename: {Kunde: name, Tel: phone, Nr: external_id, Nummer: external_id}
constants: {name: x}
drop: [Kunde]
numbers: {Tel: komma}
external_id: {columns: [a, a], may_be_empty: [b], by: "-"}
repeats: [product]
created_at: {format: never}
split: {A: {by: "", into: [x]}}
values: {industry: {x: 1}, moon: {}}
"""
# What others say is shown as they say it: the YAML parser, and PostgreSQL.
KNOWN = (
    "while parsing a flow node did not find expected node content",
    "while scanning for the next token found character that cannot start any token",
    "mapping values are not allowed in this context",
    "found undefined alias",
    "control characters are not allowed",
    "canceling statement due to lock timeout",
    "idle in transaction",
)


QUICK = "/runbook/groups_empty"
PAGES_OF = {
    TokenRole.REP: ("/my-leads", "/my-leads/10", "/my-leads/1", "/reps/r001", "/doctor"),
    TokenRole.VIEWER: ("/", "/leads/1", "/doctor", "/rules", "/blockers", "/rules/rollback?to=1", "/imports/new"),
    TokenRole.OPERATOR: ("/", "/blockers", "/rules/draft", "/reps/r001/handover", "/processes.csv"),
    TokenRole.MANAGER: ("/team", "/reps/r001/leads", "/waiting", "/groups/all/shares"),
}


@dataclass
class World:
    """A tenant in which leads wait for many reasons, with an endpoint that fails, and the console over it."""

    served: Served
    acme: Tenancy
    connections: Connections
    webhook: int
    admin_url: str

    async def token(self, role: TokenRole | None = None) -> str:
        """None = of all tenants."""
        if role is None:
            return await make_token(self.acme.conn)
        rep = "r001" if role is TokenRole.REP else None
        return await make_token(self.acme.conn, self.acme.tenant_id, role, rep_id=rep)


@pytest.fixture
async def world(
    connections: Connections, conn: asyncpg.Connection, redis_url: str, admin_url: str
) -> AsyncIterator[World]:
    acme = await make_tenant(conn, REPS, RULES, name="acme", zone="Asia/Shanghai")
    drain = a_drain(connections)
    await acme.accept([lead(n, region=region) for n, region in enumerate(("Mars", "Full", "Night", "Moon"), start=1)])
    await acme.accept([lead(n, region="East", product="robot", phone=f"+86138000000{n}") for n in range(10, 16)])
    await settle(drain, acme.tenant_id)
    await acme.accept([lead(20, region="East", product="robot", phone="+8613800000010", name="Ann")])
    await settle(drain, acme.tenant_id)
    async with a_sink() as sink:
        number = await a_webhook(acme, sink)
        sink.answer = lambda _: 500
        async with delivering(connections):

            async def has_failed() -> bool:
                return bool(await conn.fetchval("select count(*) from webhook_delivery"))

            await until(has_failed, "a delivery has failed", 20)
        await conn.execute("update webhook_delivery set state = 'dead', attempts = 10")
        async with serving_console(connections, redis_url) as served:
            yield World(served, acme, connections, number, admin_url)


@dataclass
class Reader:
    """Somebody who reads pages in Chinese, and keeps what was seen, by what led there."""

    browser: Browser
    seen: dict[str, Page]

    async def get(self, path: str) -> Page:
        return self._kept(path, await self.browser.get(path))

    async def send(self, page: Page, action: str, **values: str) -> Page:
        """A form that the page has."""
        return self._kept(f"{action} {values}", await self.browser.send(page, action, **values))

    async def over(self, page: Page) -> Page:
        """The page of a job, once that is over."""
        found = [page]

        async def has_ended() -> bool:
            if found[0].all("progress"):
                found[0] = await self.browser.get(found[0].url)
            return not found[0].all("progress")

        await until(has_ended, "the job ends", 30)
        return self._kept(f"{page.url} over", found[0])

    async def check_file(self, name: str, body: bytes, **values: str) -> Page:
        page = await self.browser.upload(await self.browser.get("/imports/new"), "/imports/check", name, body, **values)
        return self._kept(f"{name} {values}", await self.over(page))

    async def draft(self, text: str) -> None:
        page = await self.browser.get("/rules/draft")
        token = page.all("input", name="form_token")[0].attributes["value"]
        for path in ("/rules/draft", "/rules/draft/replay", "/rules/draft/apply", "/rules/apply"):
            values = {"form_token": token, "draft": text, "why": "x", "base": "1", "if_version": "1"}
            self._kept(f"{path}: {text[:20]!r}", await self.browser.post(path, values))

    def _kept(self, what: str, page: Page) -> Page:
        self.seen[what] = page
        return page

    async def follow(self, *first: str, limit: int = 300) -> None:
        """Every page that is linked from these, one of each kind of address and of parameters."""
        left, kinds = list(first), set[str]()
        while left and limit:
            path = left.pop(0)
            kind = re.sub(r"[0-9a-f]{4,}(-[0-9a-f]+)?|\d+|=[^&]*", "#", path)
            if not path.startswith("/") or path.startswith(("/preferences", "/assets")) or kind in kinds:
                continue
            kinds.add(kind)
            if ".csv" in path:
                continue
            limit -= 1
            page = await self.get(path)
            left += page.links


def left_on(seen: dict[str, Page]) -> dict[str, list[str]]:
    """The English on each page that has some, without what an earlier one has."""
    known, found = set[str](), dict[str, list[str]]()
    for what, page in seen.items():
        new = [row for row in english_left(page.text, KNOWN) if row not in known]
        known.update(new)
        if new:
            found[what] = new
    return found


async def test_no_english_sentence_is_left_on_a_chinese_page(world: World, database_url: str) -> None:
    seen = dict[str, Page]()
    async with world.served.browser(await world.token(), "zh") as browser:
        reader = Reader(browser, seen)
        await acts(reader)
        await files(reader)
        for text in (
            BROKEN,
            *NOT_YAML,
            RULES.replace("UTC", "x"),
            RULES + "  - {name: rest, match: {}, assign_to: owner}",
        ):
            await reader.draft(text)
        await reader.follow("/", "/?tenant=acme", "/leads", "/changes?since=7d")
        await wrong_ways(reader)
    for role, paths in PAGES_OF.items():
        async with world.served.browser(await world.token(role), "zh") as browser:
            reader = Reader(browser, seen)
            for path in paths:
                await reader.get(path)
    await read_only(world, seen)
    await locked(world, database_url, seen)
    await away(world, seen)
    assert len(seen) > 100
    left = left_on(seen)
    assert not left, "\n".join(f"{what}: {rows}" for what, rows in left.items())


async def acts(reader: Reader) -> None:
    """What leaves words behind: leads parked, ended, handed over; jobs; reps away; a replay; a version of rules."""
    await reader.send(await reader.get("/leads/1"), "/leads/1/park", why="x")
    await reader.send(await reader.get("/leads/1"), "/leads/1/unpark", why="x")
    await reader.send(await reader.get("/leads/3"), "/leads/3/park", why="x")
    await reader.get("/leads/5?takes=1&rep=r002")
    await reader.get("/leads/3?takes=1&rep=r003")
    await reader.send(await reader.get("/reps/r002"), "/reps/r002/available", note="x")
    await reader.get("/reps/r001/handover?way=rules")
    await reader.get("/reps/r001/handover?way=rep&to=r005")
    page = await reader.get("/reps/r001/handover?way=rep&to=r002")
    await reader.over(await reader.send(page, "/reps/r001/handover", why="x"))
    await reader.over(await reader.send(await reader.get("/waiting/retry"), "/waiting/retry", why="x"))
    for kind in ("park", "unpark"):
        page = await reader.get(f"/waiting/all/{kind}")
        if page.all("form", action=f"/waiting/all/{kind}"):
            await reader.over(await reader.send(page, f"/waiting/all/{kind}", why="x"))
    page = await reader.get("/rules/draft")
    token = page.all("input", name="form_token")[0].attributes["value"]
    values = {"form_token": token, "draft": RULES.replace("East", "Osten"), "base": "1"}
    values |= {"since": "2020-01-01T00:00", "until": ""}
    replay = await reader.browser.post("/rules/draft/replay", values)
    job = re.search(r"[0-9a-f]{6}-[0-9a-f]{16}", replay.text)
    assert job, replay.words
    await reader.over(await reader.get(f"/rules/replays/{job[0]}"))


async def files(reader: Reader) -> None:
    """Files that fit, and files that do not."""
    check = await reader.check_file("fair.csv", BAD_ROWS.encode())
    [action] = [one.attributes["action"] for one in check.all("form") if one.attributes["action"].endswith("/import")]
    await reader.over(await reader.send(check, action, why="x"))
    for name, body in (
        ("other.csv", b"Nr;Wer;Telefon\n7;Ann;030 123456\n"),
        ("one.csv", b"Nr\n7\n"),
        ("twice.csv", b"external_id,phone,phone\n7,1,2\n"),
        ("empty.csv", b"\n"),
        ("nul.csv", b"external_id\n\x00\n"),
        ("open.csv", b'external_id\n"7\n'),
        ("page.csv", b"<html><body>"),
        ("zip.csv", b"PK\x05\x06 "),
        ("x.pdf", b"%PDF-"),
        ("list.json", b'[{"external_id": 1}, 2, {"external_id": [1]}, {"a": 1}]'),
        ("lines.ndjson", b'{"external_id": 1}\n{"external_id": 1.5}\n{"x"\n[1]\n{"a": 1, "a": 2}\n'),
        ("array.json", b'[{"external_id": 1}'),
    ):
        await reader.check_file(name, body)
    await reader.check_file("mapped.csv", b"external_id,phone\n7,1\n", mapping=MAPPING)
    for mapping in (
        "rename: {Tel: phone}",
        "constants: {phone: 1}",
        "rename: [",
        "drop: [x]",
        "external_id: {columns: [q, r]}",
    ):
        await reader.check_file("mapped.csv", b"external_id,phone\n7,1\n", mapping=mapping)
    for name in ("encoding", "delimiter", "sheet", "mapping_of"):
        await reader.check_file("mapped.csv", b"external_id,phone\n7,1\n", **{name: "quite wrong here"[:11]})


async def wrong_ways(reader: Reader) -> None:
    """Addresses and forms that are refused."""
    for path in (
        *("/nothing", "/leads/99999", "/leads/x", "/reps/r999", "/groups/moon", "/runbook/nothing", "/?tenant=moon"),
        *(
            "/jobs/0a0a0a-0123456789abcdef",
            "/imports/99",
            "/imports/x",
            "/imports/1/undo",
            "/events/evt_9_9",
            "/events/x",
        ),
        *("/leads?state=eaten", "/leads?reason=none", "/leads?since=soon", "/leads?rep=r999", "/leads?group=moon"),
        *("/leads?after=x", "/leads?state=assigned&reason=group_empty", "/leads?q=%00", "/leads/count?q=x"),
        *("/leads?since=2030-01-01T00:00&until=2020-01-01T00:00", "/leads?reason=database_busy"),
        *("/rules/versions/99", "/rules/rollback?to=99", "/rules/compare?from=9&to=1", "/changes?since=soon"),
        *("/reps/r001/leads?order=x", "/reps/r001/handover?way=x", "/reps/r001/handover?way=rep&to=r001"),
        *(
            "/reps/r001/handover?way=rep&to=r999",
            "/waiting/all/park?q=x",
            "/waiting/all/park?since=soon",
            "/waiting/all/x",
        ),
        *(
            "/events/endpoints/99",
            "/events/endpoints/x",
            "/imports/runs/x",
            "/my-leads",
            "/events?before=x",
            "/imports?after=x",
        ),
        *("/reps/r001?x=1", "/leads/1?rep=r999", "/waiting/retry?reason=x", "/groups/all?after=x", "/team?after=x"),
    ):
        await reader.get(path)
    page = await reader.get("/leads/5")
    token = page.all("input", name="form_token")[0].attributes["value"]
    for path, values in (
        ("/leads/5/park", {"why": "x"}),
        ("/leads/5/park", {"why": ""}),
        ("/leads/5/unpark", {"why": "x"}),
        ("/leads/1/end", {"outcome": "won"}),
        ("/leads/5/end", {"outcome": "eaten"}),
        ("/leads/5/assign", {"to": "r999", "why": "x"}),
        ("/leads/5/assign", {"to": "r005", "why": "x"}),
        ("/leads/3/assign", {"to": "r005", "why": "x"}),
        ("/reps/r999/available", {"available": "no"}),
        ("/reps/r001/available", {"available": "perhaps"}),
        ("/reps/r001/handover", {"way": "rep", "to": "r005", "why": "x"}),
        ("/waiting/retry", {"why": ""}),
        ("/rules/rollback", {"version": "1", "if_version": "1", "why": "x"}),
        ("/rules/rollback", {"version": "9", "if_version": "1", "why": "x"}),
        ("/rules/rollback", {"version": "x", "why": "x"}),
        ("/events/endpoints/1/pause", {"why": ""}),
        ("/events/endpoints/1/redeliver", {"why": ""}),
        ("/blockers/1/end", {"how": "cancel", "why": "x"}),
        ("/blockers/1/end", {"how": "x", "why": "x"}),
        ("/blockers/idle", {"why": ""}),
        ("/imports/1/undo", {"why": ""}),
        ("/imports/files/x/import", {"why": "x"}),
        ("/leads/5/park", {"why": "x", "form_token": "x"}),
        ("/leads/5/park", {"why": "\0"}),
    ):
        reader._kept(f"{path} {values}", await reader.browser.post(path, {"form_token": token, **values}))


async def read_only(world: World, seen: dict[str, Page]) -> None:
    """A console that changes nothing."""
    token = await world.token(TokenRole.ADMIN)
    async with (
        serving_console(world.connections, read_only="yes") as served,
        served.browser(token, "zh") as browser,
    ):
        page = seen["read-only"] = await browser.get("/leads/5")
        form_token = page.all("input", name="form_token")[0].attributes["value"]
        seen["read-only, sent"] = await browser.post("/leads/5/park", {"form_token": form_token, "why": "x"})
    async with world.served.browser(None, "zh") as browser:
        seen["login"] = await browser.get("/login")
        seen["no token"] = await browser.log_in("x")
        seen["unknown token"] = await browser.log_in(f"{token[:-3]}xyz")
        seen["intake"] = await browser.log_in(await world.token(TokenRole.INTAKE))
        seen["other site"] = await browser.post("/login", {"token": "x"}, headers={"Sec-Fetch-Site": "cross-site"})


async def locked(world: World, database_url: str, seen: dict[str, Page]) -> None:
    """While somebody else has tables locked."""
    async with (
        serving_console(world.connections, page_deadline_s=0.5) as served,
        served.browser(None, "zh") as browser,
        connected(f"{database_url}&application_name=crm") as script,
    ):
        await browser.post("/login", {"token": await world.token(), "back": QUICK})
        await script.execute("begin; lock table lead_pool, parked in access exclusive mode")
        for path in ("/", "/waiting", "/leads?state=waiting", "/leads/1", "/doctor", "/blockers"):
            seen[f"locked {path}"] = page = await browser.get(path)
        action = f"/blockers/{script.get_server_pid()}/end"
        seen["locked, ended"] = await browser.send(page, action, how="cancel", why="x")


async def away(world: World, seen: dict[str, Page]) -> None:
    """While no connection to the database is made."""
    async with (
        serving_console(world.connections, page_deadline_s=0.5) as served,
        served.browser(None, "zh") as browser,
        connected(world.admin_url) as admin,
    ):
        await browser.post("/login", {"token": await world.token(TokenRole.OPERATOR), "back": QUICK})
        name = await world.acme.conn.fetchval("select current_database()")
        await admin.execute(f'alter database "{name}" allow_connections false')
        try:
            await admin.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and application_name <> ''",
                name,
            )
            for path in ("/", "/leads"):
                seen[f"away {path}"] = page = await browser.get(path)
                assert page.status == 503, page.words
        finally:
            await admin.execute(f'alter database "{name}" allow_connections true')
