"""Posts of single leads as bytes, and a client that posts as many as are answered."""

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from time import perf_counter

import aiohttp

from loadtest.bench.debian import find_program
from loadtest.bench.stage import NotClean

CONNECTIONS = 64
BODY_BYTES = 400
SOURCE = "http"
_PATH = "/v1/leads"
_DIGITS = 9
_NUMBER = "#" * _DIGITS
_SCRIPT = Path(__file__).with_name("posts.lua")
_MARGIN_S = 30.0


@dataclass(frozen=True, slots=True)
class Address:
    """Where to post, and the token that is shown there."""

    port: int
    token: str

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{_PATH}"

    def headers(self, number: str) -> dict[str, str]:
        return {
            "Authorization": f"Bearer {self.token}",
            "Content-Type": "application/json",
            "Idempotency-Key": f"key-{number}",
        }


def body_template() -> str:
    """A lead of 400 bytes with all that a web form asks for; `_NUMBER` stands for the digits that differ."""
    lead = {
        "source": SOURCE,
        "external_id": _NUMBER,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "name": f"Person {_NUMBER}",
        "phone": f"+8613{_NUMBER}",
        "email": f"person{_NUMBER}@example.com",
        "company": "Example Trading",
        "region": "region7",
        "industry": "industry3",
        "product": "product5",
        "campaign": "campaign11",
        "landing_page": "/landing/spring",
        "attributes": {"note": ""},
    }
    lead["attributes"] = {"note": "x" * (BODY_BYTES - len(json.dumps(lead)))}
    return json.dumps(lead)


def external_id(number: int) -> str:
    """Of the lead with this number."""
    return f"{number:0{_DIGITS}}"


def numbered(template: str, number: int) -> str:
    """The template with this number in it."""
    return template.replace(_NUMBER, external_id(number))


async def most(address: Address, first: int, seconds: int) -> float:
    """Answers a second to 64 connections that post without a pause, leads numbered from `first`. Raises NotClean unless
    all were taken.
    """
    program = find_program("wrk")
    if program is None:
        return await _most_of_python(address, first, seconds)
    with tempfile.NamedTemporaryFile("w", suffix=".http", newline="") as file:
        file.write(request_template(address))
        file.flush()
        said = await _wrk(program, address, seconds, file.name, first)
    if said["refused"] or said["broken"]:
        raise NotClean(f"of {said['answered']:,} posts {said['refused']:,} were refused, {said['broken']:,} broke off")
    return float(said["answered"]) / float(said["seconds"])


def client_in_words() -> str:
    """What `most` posts with."""
    return "wrk" if find_program("wrk") else "an aiohttp client, since wrk cannot be had here"


def request_template(address: Address) -> str:
    """A whole post as it goes over the wire, with places for the number."""
    body = body_template()
    head = {"Host": f"127.0.0.1:{address.port}", **address.headers(_NUMBER), "Content-Length": str(len(body))}
    lines = [f"POST {_PATH} HTTP/1.1", *(f"{name}: {value}" for name, value in head.items())]
    return "\r\n".join([*lines, "", body])


async def _wrk(program: str, address: Address, seconds: int, request: str, first: int) -> dict[str, float]:
    process = await asyncio.create_subprocess_exec(
        *(program, "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", str(_SCRIPT), address.url),
        *("--", request, _NUMBER, str(first), str(_DIGITS)),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(seconds + _MARGIN_S):
            said, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        raise NotClean(f"wrk did not end within {seconds + _MARGIN_S:g} s") from None
    if process.returncode:
        raise NotClean(f"wrk ended with {process.returncode}")
    found: dict[str, float] = json.loads(said.splitlines()[-1])
    return found


async def _most_of_python(address: Address, first: int, seconds: float) -> float:
    template, numbers, done = body_template(), count(first), 0
    begin = perf_counter()

    async def post_on(session: aiohttp.ClientSession) -> None:
        nonlocal done
        while perf_counter() - begin < seconds:
            await _post(session, address, template, next(numbers))
            done += 1

    async with _session() as session:
        await asyncio.gather(*(post_on(session) for _ in range(CONNECTIONS)))
    return done / (perf_counter() - begin)


@asynccontextmanager
async def _session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CONNECTIONS)) as session:
        yield session


async def _post(session: aiohttp.ClientSession, address: Address, template: str, number: int) -> None:
    body, headers = numbered(template, number).encode(), address.headers(external_id(number))
    async with session.post(address.url, data=body, headers=headers) as answer:
        said = await answer.read()
    if answer.status != 202:
        raise NotClean(f"a post was answered with {answer.status}: {said[:300]!r}")
