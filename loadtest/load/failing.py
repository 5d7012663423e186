"""Why requests failed: what the service answered, the same answers together. Pure."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from loadtest.load.samples import Outcome, Sample

_LENGTH = 200
_NUMBERS = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Failure:
    """Requests that failed in one way. `answer` is that of the first of them; `first_s` and `last_s` = when the first
    and the last were due, seconds from the beginning of the run.
    """

    answer: str
    number: int
    names: Mapping[str, int]
    first_s: float
    last_s: float


def answer_of(status: int, body: str | None, error: object = None) -> str:
    """What came in place of the expected answer, in one line: the status with what the body says of it, or why there
    was no answer at all (`status` 0).
    """
    if not status:
        why = f"{type(error).__name__}: {error}" if isinstance(error, BaseException) else str(error or "")
        return _line(f"no answer: {why}" if why else "no answer")
    try:
        problem = json.loads(body or "")
    except ValueError:
        problem = body or ""
    if isinstance(problem, dict):
        problem = problem.get("detail") or problem.get("title") or body
    return _line(f"{status}: {problem}" if problem else str(status))


def failures(samples: Iterable[Sample]) -> list[Failure]:
    """Ways of failing, the most frequent first. Answers that differ in numbers only are one."""
    alike: dict[str, list[Sample]] = {}
    for one in samples:
        if one.outcome is Outcome.FAILED:
            answer = one.answer or answer_of(one.status, None)
            alike.setdefault(f"{one.status} {_NUMBERS.sub('0', answer)}", []).append(one)
    found = [
        Failure(
            some[0].answer or answer_of(some[0].status, None),
            len(some),
            dict(Counter(one.name for one in some).most_common()),
            min(one.due_s for one in some),
            max(one.due_s for one in some),
        )
        for some in alike.values()
    ]
    return sorted(found, key=lambda one: -one.number)


def _line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LENGTH else f"{line[: _LENGTH - 1]}…"
