"""What the runner tells the generator, as a JSON file: where, what, and when."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from loadtest.load.shapes import Piece

VARIABLE = "LOAD_PLAN"
"""The environment variable that names the file."""


@dataclass(frozen=True, slots=True)
class Abort:
    """When a ramp has broken the service: over `within_s` seconds, so many percent failed or waited longer."""

    within_s: float
    slower_than_s: float
    percent: float


@dataclass(frozen=True, slots=True)
class Plan:
    """`folder` is where samples go; `due_s` are given times instead of `pieces`. `reps` send heartbeats, `flipped` of
    them also change their availability. Between the two seconds of `shifted` the web form writes times that are
    `shift_s` behind. `in_flight` = requests of one worker that may be unanswered at once.
    """

    url: str
    token: str
    form_key: str
    run: str
    folder: str
    seed: int
    workers: int
    reps: Sequence[str]
    flipped: Sequence[str]
    pieces: Sequence[Piece] = ()
    due_s: Sequence[float] = ()
    in_flight: int = 1000
    timeout_s: float = 15.0
    abort: Abort | None = None
    regions: Sequence[str] = ("",)
    shifted: tuple[float, float] | None = None
    shift_s: float = 0.0


def write(plan: Plan, path: Path) -> None:
    """Stores it."""
    path.write_text(json.dumps(asdict(plan)), encoding="utf-8")


def read(path: Path) -> Plan:
    """As it was written."""
    found = json.loads(path.read_text(encoding="utf-8"))
    found["pieces"] = [Piece(**piece) for piece in found["pieces"]]
    found["abort"] = None if found["abort"] is None else Abort(**found["abort"])
    return Plan(**found)
