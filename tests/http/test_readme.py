"""README and docs/intake-http.md, as printed: a lead is posted with curl, assigned, and its event is read."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg

from loadtest.daemon import serving
from loadtest.shell import PROJECT
from router.domain.access import TokenRole
from tests.http.posting import port_of
from tests.http.support import make_token
from tests.pages.transcript import blocks
from tests.world import make_tenant, simple_reps


def commands() -> list[str]:
    """The curl commands of the scene."""
    page = Path(PROJECT, "README.md").read_text(encoding="utf-8")
    scene = page.partition("## The CRM beside it")[2].partition("\n## ")[0]
    return [one.replace("\\\n", " ") for one in re.findall(r"^\$ (curl (?:[^\n]*\\\n)*[^\n]*)$", scene, re.M)]


async def asked(command: str) -> Any:
    """What a curl command is answered, without curl, which not every machine has."""
    _, url, *options = [word for word in shlex.split(command) if word != "-i"]
    given = list(zip(options[::2], options[1::2], strict=True))
    headers = dict(text.split(": ", 1) for option, text in given if option == "-H")
    body = next((text for option, text in given if option == "-d"), None)
    method = "GET" if body is None else "POST"
    async with aiohttp.ClientSession(headers=headers) as session, session.request(method, url, data=body) as reply:
        return await reply.json()


async def test_the_readmes_lead_is_posted_assigned_and_heard_of(conn: asyncpg.Connection, database_url: str) -> None:
    await make_tenant(conn, simple_reps(2), name="shop")
    token = await make_token(conn)
    async with serving(database_url, "serve", api_port=0) as daemon:
        address = f"127.0.0.1:{await port_of(daemon)}"
        answers = []
        for command in commands():
            answers.append(await asked(command.replace("127.0.0.1:8381", address).replace("$TOKEN", token)))
    posted, heard = answers
    assert (posted["source"], posted["external_id"], posted["state"]) == ("website", "W-1", "waiting")
    (event,) = heard["events"]
    assert (event["type"], event["data"]["lead_id"]) == ("lead.assigned", posted["id"])


async def test_the_lead_of_the_page_about_http_is_answered_as_printed(
    conn: asyncpg.Connection, database_url: str
) -> None:
    found = list(blocks(Path(PROJECT, "docs/intake-http.md").read_text(encoding="utf-8")))
    [command] = ["\n".join(one.lines) for one in found if one.lines[0].startswith("curl -i")]
    [shown] = [one.lines for one in found if one.lines[0].startswith("HTTP/1.1 202")]
    tenant = await make_tenant(conn, simple_reps(1), name="shop")
    token = await make_token(conn, tenant.tenant_id, TokenRole.INTAKE)
    async with serving(database_url, "serve", "--role", "api", api_port=0) as daemon:
        address = f"127.0.0.1:{await port_of(daemon)}"
        typed = command.replace("\\\n", " ").replace("127.0.0.1:8381", address).replace("$TOKEN", token)
        answer = await asked(typed)
    printed = json.loads(shown[-1])
    assert {**answer, "id": printed["id"]} == printed
    assert shown[1] == f"Location: /v1/leads/{printed['id']}"
