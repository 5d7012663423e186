"""Who asks the service for what, and how often: the mix of a working day, as requests ready to be sent."""

import json
import random
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from loadtest.load.plan import Plan

FORM, POST, BATCH = "web form", "single lead", "ad-platform batch"
LEAD_STATE, EVENTS, ENDING = "CRM: lead state", "CRM: events", "CRM: ending"
HEARTBEAT, FLIP = "rep: heartbeat", "rep: availability"
STATUS, LEADS, WHY = "operator: status", "operator: leads", "operator: why"

MIX: Mapping[str, float] = {
    FORM: 34,
    POST: 12,
    BATCH: 2,
    LEAD_STATE: 12,
    EVENTS: 8,
    ENDING: 10,
    HEARTBEAT: 17,
    FLIP: 1,
    STATUS: 1,
    LEADS: 2,
    WHY: 1,
}
"""Percent of all requests."""
READ_BACK = frozenset({BATCH, EVENTS})
"""Requests whose answers are read."""
BATCH_LEADS = 20
FORM_SOURCE, POST_SOURCE, BATCH_SOURCE = "website", "partner", "ads"
_KEPT = 5_000
_JSON = {"Content-Type": "application/json"}
# Of ten endings: six won, three lost, one given back, which then comes to another rep.
_ENDINGS = (*["won"] * 6, *["lost"] * 3, "returned")


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `key` and `handed` are of the leads in it; `asks` = what is to be learned from its answer."""

    name: str
    method: str
    path: str
    body: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    source: str = ""
    key: str = ""
    handed: int = 0
    expected: tuple[int, ...] = (200,)


class Requests:
    """The requests of one worker, one after the other; what answers say is used for later ones."""

    def __init__(self, plan: Plan, worker: int, rng: random.Random) -> None:
        self._plan, self._worker, self._rng = plan, worker, rng
        self._auth = {"Authorization": f"Bearer {plan.token}"}
        self._number = 0
        self._beat, self._flip = worker, 0
        self._names, self._weights = list(MIX), list(MIX.values())
        self._cursor, self._due_s = "0", 0.0
        self._handed_in: deque[tuple[str, str]] = deque(maxlen=_KEPT)
        self._assigned: deque[int] = deque(maxlen=_KEPT)
        self._makers: Mapping[str, Callable[[], Request]] = {
            FORM: self._form,
            POST: self._post,
            BATCH: self._batch,
            LEAD_STATE: self._lead_state,
            EVENTS: self._events,
            ENDING: self._ending,
            HEARTBEAT: self._heartbeat,
            FLIP: self._flipped,
            STATUS: self._status,
            LEADS: self._leads,
            WHY: self._why,
        }

    def next(self, due_s: float) -> Request:
        """The next one, which is due then. Where there is no lead yet to ask for or to end, events are read instead."""
        self._due_s = due_s
        [name] = self._rng.choices(self._names, self._weights)
        return self._makers[name]()

    def learn(self, request: Request, answer: Any) -> int:
        """Takes from a good answer what later requests need (its JSON, for those in READ_BACK); returns how many of the
        handed leads the service has.
        """
        # Of two questions that went out with one cursor, the second answer repeats the events of the first.
        if request.name == EVENTS and request.path == self._events_path():
            self._note_events(answer)
        if request.name == BATCH:
            return int(answer["stored"])
        if request.handed:
            self._handed_in.append((request.source, request.key))
        return request.handed

    def _note_events(self, answer: Any) -> None:
        self._cursor = answer["cursor"]
        for event in answer["events"]:
            lead_id = event["data"]["lead_id"]
            # Each worker ends its own part of the leads, so that no two end the same one.
            if event["type"] == "lead.assigned" and lead_id % self._plan.workers == self._worker:
                self._assigned.append(lead_id)

    def _key(self) -> str:
        self._number += 1
        return f"{self._plan.run}-{self._worker}-{self._number}"

    def _digits(self, place: int = 0) -> str:
        """For a phone that nobody else has: of each worker and lead its own."""
        return f"{self._worker % 10}{(self._number * BATCH_LEADS + place) % 10_000_000:07}"

    def _form(self) -> Request:
        key, digits = self._key(), self._digits()
        address = f"198.51.{self._rng.randrange(100)}.{self._rng.randrange(1, 255)}"
        said = {
            "token": key,
            "your-name": f"Visitor {digits}",
            "your-phone": f"138{digits}",
            "email": f"visitor{digits}@example.com",
            "region": self._region(),
            "sent": f"{self._form_clock():%Y-%m-%d %H:%M:%S}",
            "message": "Please call me about your offer.",
        }
        return Request(
            FORM,
            "POST",
            f"/v1/forms/{self._plan.form_key}",
            urlencode(said),
            {"Content-Type": "application/x-www-form-urlencoded", "X-Client": address},
            FORM_SOURCE,
            key,
            1,
        )

    def _form_clock(self) -> datetime:
        first, last = self._plan.shifted or (0.0, 0.0)
        behind_s = self._plan.shift_s if first <= self._due_s < last else 0.0
        return datetime.now(UTC) - timedelta(seconds=behind_s)

    def _post(self) -> Request:
        key = self._key()
        body = json.dumps(self._lead(POST_SOURCE, key, self._digits()))
        headers = {**self._auth, **_JSON, "Idempotency-Key": key}
        return Request(POST, "POST", "/v1/leads", body, headers, POST_SOURCE, key, 1, (202,))

    def _batch(self) -> Request:
        key = self._key()
        lines = [
            json.dumps(self._lead(BATCH_SOURCE, f"{key}-{place}", self._digits(place))) for place in range(BATCH_LEADS)
        ]
        headers = {**self._auth, "Content-Type": "application/x-ndjson"}
        body = "\n".join(lines)
        return Request(BATCH, "POST", "/v1/leads:batch", body, headers, BATCH_SOURCE, key, BATCH_LEADS, (202,))

    def _lead(self, source: str, key: str, digits: str) -> dict[str, Any]:
        kind = {POST_SOURCE: 4, BATCH_SOURCE: 5}[source]
        return {
            "source": source,
            "external_id": key,
            "name": f"Person {digits}",
            "phone": f"+8613{kind}{digits}",
            "region": self._region(),
            "campaign": "load",
            "attributes": {"note": "a call in the afternoon, please"},
        }

    def _region(self) -> str:
        return self._rng.choice(self._plan.regions)

    def _lead_state(self) -> Request:
        if not self._handed_in:
            return self._events()
        source, key = self._rng.choice(self._handed_in)
        query = urlencode({"source": source, "external_id": key})
        return self._get(LEAD_STATE, f"/v1/leads?{query}")

    def _events(self) -> Request:
        return self._get(EVENTS, self._events_path())

    def _events_path(self) -> str:
        return f"/v1/events?{urlencode({'after': self._cursor, 'limit': 1000})}"

    def _ending(self) -> Request:
        if not self._assigned:
            return self._events()
        # Not the last one: people take a moment for a lead, and one that was returned comes to a rep again.
        lead_id = self._assigned.popleft()
        body = json.dumps({"how": self._rng.choice(_ENDINGS)})
        return Request(ENDING, "POST", f"/v1/leads/{lead_id}/end", body, {**self._auth, **_JSON})

    def _heartbeat(self) -> Request:
        """The reps in turn, those of each worker."""
        rep = self._plan.reps[self._beat % len(self._plan.reps)]
        self._beat += self._plan.workers
        return Request(HEARTBEAT, "POST", f"/v1/reps/{rep}/presence", None, self._auth)

    def _flipped(self) -> Request:
        """One after the other leaves, and comes back the next time."""
        reps = self._plan.flipped[self._worker :: self._plan.workers] or self._plan.flipped
        rep, available = reps[self._flip // 2 % len(reps)], self._flip % 2 == 1
        self._flip += 1
        body = json.dumps({"available": available})
        return Request(FLIP, "PATCH", f"/v1/reps/{rep}", body, {**self._auth, **_JSON})

    def _status(self) -> Request:
        return self._get(STATUS, "/v1/status")

    def _leads(self) -> Request:
        return self._get(LEADS, f"/v1/leads:list?{urlencode({'state': 'waiting', 'limit': 50})}")

    def _why(self) -> Request:
        if not self._assigned:
            return self._events()
        return self._get(WHY, f"/v1/leads/{self._rng.choice(self._assigned)}/why")

    def _get(self, name: str, path: str) -> Request:
        return Request(name, "GET", path, None, self._auth)


def handing_in() -> Sequence[str]:
    """The names of requests that hand in leads."""
    return FORM, POST, BATCH
