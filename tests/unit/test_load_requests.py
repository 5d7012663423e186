"""The requests of a load: the mix that was agreed, leads that nobody else hands in, and no lead that is ended twice."""

import json
import random
from collections import Counter
from typing import Any
from urllib.parse import parse_qs

from loadtest.load.plan import Plan
from loadtest.load.requests import BATCH, ENDING, EVENTS, FLIP, FORM, HEARTBEAT, MIX, POST, Request, Requests

PLAN = Plan(
    "http://127.0.0.1:1",
    "token",
    "lrs_1_x",
    "run",
    "folder",
    1,
    2,
    [f"r{n}" for n in range(6)],
    ["r0", "r1"],
    regions=("north", "south"),
    shifted=(10.0, 20.0),
    shift_s=28_800,
)


def some(number: int, worker: int = 0) -> list[Request]:
    requests = Requests(PLAN, worker, random.Random(worker))
    made = []
    for _ in range(number):
        made.append(request := requests.next(0.0))
        requests.learn(request, _answer(request, len(made)))
    return made


def _answer(request: Request, number: int) -> Any:
    """As the service would say; each batch of events tells of one lead."""
    if request.name == EVENTS:
        return {"cursor": str(number), "events": [{"type": "lead.assigned", "data": {"lead_id": 2 * number}}]}
    return {"stored": request.handed} if request.name == BATCH else None


def test_the_mix_is_the_one_that_was_agreed() -> None:
    assert sum(MIX.values()) == 100
    seen = Counter(one.name for one in some(20_000))
    for name, percent in MIX.items():
        if name not in (EVENTS, ENDING):
            assert abs(seen[name] / 200 - percent) < 1.5, name


def leads_of(request: Request) -> list[tuple[str, str, str]]:
    """Source, external id and phone."""
    assert request.body is not None
    if request.name == FORM:
        said = parse_qs(request.body)
        return [(request.source, said["token"][0], said["your-phone"][0])]
    return [
        (one["source"], one["external_id"], one["phone"].removeprefix("+86"))
        for one in map(json.loads, request.body.splitlines())
    ]


def test_no_two_leads_of_a_load_are_the_same_or_of_one_customer() -> None:
    leads = [
        lead
        for worker in range(2)
        for request in some(3_000, worker)
        if request.name in (FORM, POST, BATCH)
        for lead in leads_of(request)
    ]
    assert len({(source, key) for source, key, _ in leads}) == len(leads)
    assert len({phone for _, _, phone in leads}) == len(leads)
    assert all(len(phone) == 11 and phone.startswith("13") for _, _, phone in leads)


def test_no_lead_is_ended_twice_although_two_questions_for_events_were_under_way() -> None:
    requests = Requests(PLAN, 0, random.Random(1))
    asked = [requests._events(), requests._events()]
    answer = {"cursor": "7", "events": [{"type": "lead.assigned", "data": {"lead_id": 4}}]}
    for one in asked:
        requests.learn(one, answer)
    assert requests._ending().path == "/v1/leads/4/end"
    assert requests._ending().name == EVENTS


def test_workers_share_the_leads_that_they_end() -> None:
    events = [{"type": "lead.assigned", "data": {"lead_id": number}} for number in range(10)]
    ended = set[str]()
    for worker in range(2):
        requests = Requests(PLAN, worker, random.Random(1))
        requests.learn(requests._events(), {"cursor": "7", "events": events})
        for _ in range(5):
            path = requests._ending().path
            assert path not in ended
            ended.add(path)
    assert len(ended) == 10


def test_every_rep_sends_heartbeats_and_those_who_leave_come_back() -> None:
    made = some(4_000) + some(4_000, 1)
    beats = Counter(one.path for one in made if one.name == HEARTBEAT)
    assert len(beats) == 6 and max(beats.values()) - min(beats.values()) <= 60
    flips = [one.body for one in some(4_000) if one.name == FLIP]
    assert flips[:4] == [json.dumps({"available": answer}) for answer in (False, True, False, True)]


def test_the_form_writes_wrong_times_only_while_it_is_broken() -> None:
    requests = Requests(PLAN, 0, random.Random(1))
    hours = []
    for due_s in (9.9, 10.0, 19.9, 20.0):
        requests._due_s = due_s
        hours.append(requests._form_clock())
    assert [round((hours[0] - one).total_seconds() / 3600) for one in hours] == [0, 8, 8, 0]
