"""What the generator writes down of each request, and how the runner reads it."""

import json
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import IO, NamedTuple

_PATTERN = "samples-{}.jsonl"


class Outcome(StrEnum):
    """What became of a request that was due."""

    OK = "ok"
    FAILED = "failed"
    DROPPED = "dropped"
    """Never sent: as many as the generator may have under way were unanswered."""


class Sample(NamedTuple):
    """A request. Times are seconds from the beginning of the run: when it was due, sent, and answered.

    `status` 0 = no answer. `source` and `key` are of the leads that it handed in, `handed` of them; the service said
    of `taken` that it has them. More than one lead of a request are numbered: `key-0`, `key-1`. `answer` = what came
    instead of the expected answer; "" = it was as expected.
    """

    name: str
    due_s: float
    sent_s: float
    done_s: float
    outcome: Outcome
    status: int = 0
    source: str = ""
    key: str = ""
    handed: int = 0
    taken: int = 0
    answer: str = ""

    @property
    def waited_s(self) -> float:
        """From when it was due: what a user would have waited."""
        return self.done_s - self.due_s

    @property
    def late_s(self) -> float:
        """How late the generator itself was."""
        return self.sent_s - self.due_s


class Writer:
    """Writes the samples of one worker; `begin` = when its schedule begins (seconds since 1970)."""

    def __init__(self, folder: Path, worker: int, begin: float) -> None:
        self._file: IO[str] = (folder / _PATTERN.format(worker)).open("w", encoding="utf-8")
        self._file.write(json.dumps({"begin": begin}) + "\n")
        self._file.flush()

    def write(self, sample: Sample) -> None:
        """One more."""
        self._file.write(json.dumps(sample) + "\n")

    def close(self) -> None:
        """Nothing comes after this."""
        self._file.close()


def external_ids(key: str, handed: int) -> list[str]:
    """The ids of the leads of a request."""
    return [key] if handed == 1 else [f"{key}-{place}" for place in range(handed)]


def begins(folder: Path) -> list[float]:
    """When the workers that have begun did so, seconds since 1970."""
    found = []
    for path in sorted(folder.glob(_PATTERN.format("*"))):
        with path.open(encoding="utf-8") as file:
            if line := file.readline():
                found.append(float(json.loads(line)["begin"]))
    return found


def read(folder: Path) -> list[Sample]:
    """All samples in the order of their due times, seconds from when the first worker began."""
    first = min(begins(folder), default=0.0)
    return sorted(_shifted(folder, first), key=lambda sample: sample.due_s)


def _shifted(folder: Path, first: float) -> Iterator[Sample]:
    for path in sorted(folder.glob(_PATTERN.format("*"))):
        with path.open(encoding="utf-8") as file:
            head = file.readline()
            by_s = float(json.loads(head)["begin"]) - first if head else 0.0
            yield from (_sample(line, by_s) for line in file)


def _sample(line: str, by_s: float) -> Sample:
    name, due_s, sent_s, done_s, outcome, *rest = json.loads(line)
    return Sample(name, due_s + by_s, sent_s + by_s, done_s + by_s, Outcome(outcome), *rest)


def by_name(samples: Iterable[Sample]) -> dict[str, list[Sample]]:
    """Apart by what they asked for."""
    found: dict[str, list[Sample]] = {}
    for sample in samples:
        found.setdefault(sample.name, []).append(sample)
    return found
