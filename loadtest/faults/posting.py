"""Clients who post leads to the routers' API, as they are until they are taken, to whichever router answers."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import aiohttp
import msgspec

from loadtest.faults.people import Ledger
from loadtest.faults.world import some_leads
from router.domain.lead_in import LeadIn

SOURCE = "posted"
CLIENTS = 4
TAKEN, JOURNALLED = "202", "journalled"
# The API answers within 10 s; only somebody who is frozen does not.
_ANSWER_S = 12.0
_PAUSE_S = 0.05
# A body that was too long under way (its reader was frozen), a key under work, too many, not now.
_SEND_AGAIN = frozenset({408, 409, 429, 503})
_NO_ANSWER = (aiohttp.ClientError, TimeoutError)
_EXAMPLES = 20


class Router(Protocol):
    """What the clients look at of a router: whether it runs, and where its API listens (None = not yet)."""

    @property
    def alive(self) -> bool: ...

    @property
    def api_port(self) -> int | None: ...


@dataclass(frozen=True, slots=True)
class Post:
    """Leads of one tenant in one request: one, with a key or without, or a batch."""

    tenant_id: int
    leads: Sequence[LeadIn]
    key: str | None = None

    @property
    def path(self) -> str:
        return "/v1/leads" if len(self.leads) == 1 else "/v1/leads:batch?verbose=true"

    @property
    def headers(self) -> Mapping[str, str]:
        kind = {"Content-Type": "application/json" if len(self.leads) == 1 else "application/x-ndjson"}
        return kind | ({"Idempotency-Key": self.key} if self.key else {})

    @property
    def body(self) -> bytes:
        return b"\n".join(msgspec.json.encode(document(lead)) for lead in self.leads)


def document(lead: LeadIn) -> dict[str, object]:
    """The lead as a form of ours sends it: when it was created is left to the service."""
    return {
        "source": lead.source,
        "external_id": lead.external_id,
        "customer_id": lead.declared_customer,
        "region": lead.region,
        "product": lead.product,
        "priority": lead.priority,
    }


def numbers_in(answer: Mapping[str, Any], leads: int) -> list[int | None]:
    """The numbers that were answered with 202, in the order of the leads; None = in a journal, or it was cut off."""
    if leads == 1:
        return [answer.get("id")]
    numbers: list[int | None] = [None] * leads
    for line in answer.get("leads", ()):
        numbers[line["line"] - 1] = line["id"]
    return numbers


@dataclass
class Poster:
    """Clients that post until told to stop: single leads, half of them with a key, now and then a batch.

    What was not answered 202 is posted again, the same, to the next router; some of what was, too. `answers` counts
    requests by status, or by what came instead, and those that went into a journal; `wrong` are answers that no fault
    excuses, as sentences.
    """

    routers: Callable[[], Sequence[Router]]
    tokens: Mapping[int, str]
    ledger: Ledger
    seed: int
    every_s: float = 0.1
    batch: int = 20
    answers: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    _number: int = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Whoever waits for an answer at the stop waits no longer: that lead is stored, or it is not."""
        timeout = aiohttp.ClientTimeout(total=_ANSWER_S)
        async with aiohttp.ClientSession(timeout=timeout) as session, asyncio.TaskGroup() as group:
            clients = [group.create_task(self._client(session, which)) for which in range(CLIENTS)]
            await stop.wait()
            for client in clients:
                client.cancel()

    async def _client(self, session: aiohttp.ClientSession, which: int) -> None:
        rng, turn = random.Random(f"{self.seed} {which}"), which
        while True:
            post = self._next(rng)
            for _ in range(2 if rng.random() < 0.1 else 1):
                while not await self._taken(session, self._address(turn), post):
                    turn += 1
                    await asyncio.sleep(_PAUSE_S)
                turn += rng.random() < 0.1
            await asyncio.sleep(self.every_s)

    def _next(self, rng: random.Random) -> Post:
        count = self.batch if rng.random() < 0.05 else 1
        leads = [lead._replace(created_at=None) for lead in some_leads(rng, self._number, count, SOURCE)]
        self._number += count
        key = leads[0].external_id if count == 1 and rng.random() < 0.5 else None
        return Post(rng.choice(list(self.tokens)), leads, key)

    def _address(self, turn: int) -> str | None:
        """That of a router that runs; None = none does."""
        listening = [port for daemon in self.routers() if daemon.alive and (port := daemon.api_port)]
        return f"http://127.0.0.1:{listening[turn % len(listening)]}" if listening else None

    async def _taken(self, session: aiohttp.ClientSession, address: str | None, post: Post) -> bool:
        """Whether it need not be posted again."""
        if address is None:
            return False
        headers = {"Authorization": f"Bearer {self.tokens[post.tenant_id]}", **post.headers}
        try:
            async with session.post(address + post.path, data=post.body, headers=headers) as reply:
                return await self._judged(reply, post)
        except _NO_ANSWER as error:
            self.answers[type(error).__name__] += 1
            return False

    async def _judged(self, reply: aiohttp.ClientResponse, post: Post) -> bool:
        self.answers[str(reply.status)] += 1
        if reply.status == 202:
            self._note(post, await _answer(reply))
        elif reply.status not in _SEND_AGAIN:
            self._add_wrong(f"{post.path} was answered {reply.status}: {(await reply.text())[:500]}")
        return reply.status not in _SEND_AGAIN

    def _note(self, post: Post, answer: Mapping[str, Any]) -> None:
        self.answers[JOURNALLED] += any(one.get("state") == JOURNALLED for one in (answer, *answer.get("leads", ())))
        told = self.ledger.acknowledged.get(post.tenant_id, {})
        numbers = numbers_in(answer, len(post.leads))
        for lead, number in zip(post.leads, numbers, strict=True):
            before = told.get((lead.source, lead.external_id))
            if None not in (before, number) and before != number:
                self._add_wrong(f"{lead.source} {lead.external_id} was answered as lead {before}, then as {number}")
        self.ledger.note(post.tenant_id, post.leads, numbers)

    def _add_wrong(self, sentence: str) -> None:
        if len(self.wrong) < _EXAMPLES:
            self.wrong.append(sentence)


async def _answer(reply: aiohttp.ClientResponse) -> Mapping[str, Any]:
    """What a 202 says besides; nothing, when the rest of it was cut off: 202 is a promise by itself."""
    try:
        answer: Mapping[str, Any] = await reply.json()
    except _NO_ANSWER:
        return {}
    return answer
