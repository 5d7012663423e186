"""What a run has to reach: `loadtest/objectives.yaml`, read and judged. Pure, but for reading the file."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

import yaml

from loadtest.load.percentiles import percentile
from loadtest.load.requests import MIX, handing_in

FILE = Path(__file__).parents[1] / "objectives.yaml"
GENERATOR_LIMIT = 90.0
"""Percent of one core. Above that the generator measures itself."""
LATE_LIMIT_S = 0.5
"""Where one in a hundred requests is sent so late, others have the generator's processor, and it measures them."""
_SENT = "requests sent"
MEANS: Mapping[str, tuple[str, str]] = {
    _SENT: ("requests sent", ""),
    "failed_percent": ("requests that failed", "%"),
    "dropped": ("requests that were due and never sent", ""),
    "missing": ("accepted leads that are not in the database", ""),
    "violations": ("violations found by the audit", ""),
    "unassigned": ("leads without a rep at the end", ""),
    "recovery_s": ("from the fix until all was right again", "s"),
}
"""What objectives of the whole run are called for people, and in what they are counted."""
_WHOLE = frozenset(MEANS) - {_SENT}


_NAMES = {"requests": frozenset(MIX), "assigned": frozenset({"all", *handing_in()})}


class BadObjectives(ValueError):
    """The file does not say what can be judged; the message says where."""


class Verdict(IntEnum):
    """What a run came to; the value is the exit code."""

    PASSED = 0
    FAILED = 1
    REFUSED = 3
    """The generator was too busy or too late for its figures to be the service's."""


Limits = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Objectives:
    """`whole` = limits of the whole run; of each request, and of leads by what handed them in, percentiles in ms."""

    whole: Limits
    requests: Mapping[str, Limits]
    assigned: Mapping[str, Limits]


@dataclass(frozen=True, slots=True)
class Check:
    """One objective: `value` may be at most `limit`, at least where `at_least`. None = there was nothing to judge."""

    name: str
    value: float | None
    limit: float
    unit: str
    at_least: bool = False

    @property
    def holds(self) -> bool:
        """Nothing to judge is not fine: a run that asked for nothing proves nothing."""
        if self.value is None:
            return False
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    @property
    def title(self) -> str:
        """What it is about, for people."""
        return MEANS[self.name][0] if self.name in MEANS else self.name

    @property
    def measured(self) -> str:
        """The value, as people write it."""
        if self.value is None:
            return "nothing measured"
        return f"{self.value:,.0f}" if not self.unit else _with_unit(f"{self.value:,.1f}", self.unit)

    @property
    def allowed(self) -> str:
        """The limit, with its sign."""
        return f"{'≥' if self.at_least else '≤'} {_with_unit(f'{self.limit:,g}', self.unit)}"

    @property
    def words(self) -> str:
        """All of it in a few words."""
        limit = _with_unit(f"{self.limit:,g}", self.unit)
        return f"{self.title} {self.measured} ({'at least' if self.at_least else 'limit'} {limit})"


@dataclass(frozen=True, slots=True)
class Figures:
    """What is judged; waits in seconds, ascending, by name, without what was due during a fault."""

    whole: Mapping[str, float]
    requests: Mapping[str, Sequence[float]]
    assigned: Mapping[str, Sequence[float]]
    asked: int


def read(shape: str, path: Path = FILE) -> Objectives:
    """Those of a shape: the defaults, and what its own part says instead; with `defaults: false` only that. Raises
    BadObjectives.
    """
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(document, dict) or "defaults" not in document:
        raise BadObjectives(f"{path}: there is no part `defaults`")
    if unknown := sorted(set(document) - {"defaults", "shapes"}):
        raise BadObjectives(f"{path}: unknown parts: {', '.join(unknown)}")
    for part in (document["defaults"], *(document.get("shapes") or {}).values()):
        _check(path, part)
    own = dict((document.get("shapes") or {}).get(shape) or {})
    parts = [document["defaults"], own] if own.pop("defaults", True) else [own]
    return Objectives(
        _merged([{name: part[name] for name in part if name in _WHOLE} for part in parts]),
        _by_name(parts, "requests"),
        _by_name(parts, "assigned"),
    )


def _check(path: Path, part: Mapping[str, Any]) -> None:
    """What could not be judged, or would never be. Raises BadObjectives."""
    if unknown := sorted(set(part) - _WHOLE - {*_NAMES, "defaults"}):
        raise BadObjectives(f"{path}: unknown objectives: {', '.join(unknown)}")
    for name in _WHOLE & set(part):
        _number(path, name, part[name])
    for what, names in _NAMES.items():
        for name, limits in (part.get(what) or {}).items():
            if name not in names:
                raise BadObjectives(f"{path}: {what}: there is no {name!r}; there are {', '.join(sorted(names))}")
            for key, limit in limits.items():
                _percent(path, str(key))
                _number(path, f"{what}: {name}: {key}", limit)


def _number(path: Path, name: str, limit: object) -> None:
    if isinstance(limit, bool) or not isinstance(limit, int | float):
        raise BadObjectives(f"{path}: {name}: {limit!r} is not a number")


def _by_name(parts: Sequence[Mapping[str, Any]], what: str) -> dict[str, Limits]:
    found: dict[str, Limits] = {}
    for part in parts:
        for name, limits in (part.get(what) or {}).items():
            found[name] = {**found.get(name, {}), **limits}
    return found


def _merged(parts: Iterable[Limits]) -> Limits:
    found: dict[str, float] = {}
    for part in parts:
        found |= part
    return found


def _percent(path: Path, key: str) -> float:
    """Of p99.9, 99.9."""
    try:
        percent = float(key.removeprefix("p"))
    except ValueError:
        percent = -1.0
    if not key.startswith("p") or not 0 <= percent <= 100:
        raise BadObjectives(f"{path}: {key!r} is not a percentile such as p99")
    return percent


def judge(objectives: Objectives, figures: Figures) -> list[Check]:
    """Every objective with what was measured, in the order of the file. An empty run fails."""
    found = [Check(_SENT, figures.asked, 1, "", at_least=True)]
    for name, limit in objectives.whole.items():
        if name != "recovery_s" or name in figures.whole:
            found.append(Check(name, figures.whole.get(name), limit, MEANS[name][1]))
    for kind, limits, waits in (
        ("request", objectives.requests, figures.requests),
        ("post to rep", objectives.assigned, figures.assigned),
    ):
        for name, percentiles in limits.items():
            seen = waits.get(name)
            for key, limit in percentiles.items():
                value = percentile(seen, float(key.removeprefix("p"))) * 1000 if seen else None
                # Rare requests may not have come up in a short run; leads always have.
                if seen or kind != "request" or not figures.asked:
                    found.append(Check(f"{kind}: {name}: {key}", value, limit, "ms"))
    return found


def _with_unit(number: str, unit: str) -> str:
    return f"{number}{'' if unit in ('', '%') else ' '}{unit}"


def verdict(checks: Sequence[Check], generator_percent: float, late_s: float) -> Verdict:
    """The generator is looked at first, its load and how late one in a hundred was sent: nothing of an overloaded one
    counts, neither good nor bad.
    """
    if generator_percent > GENERATOR_LIMIT or late_s > LATE_LIMIT_S:
        return Verdict.REFUSED
    return Verdict.PASSED if all(one.holds for one in checks) else Verdict.FAILED


def busiest(percents: Sequence[tuple[float, float]], within_s: float = 5.0) -> float:
    """The highest mean over so many seconds, of (at_s, percent) in their order; of a shorter run over all of it."""
    best, first = 0.0, 0
    for last, (at_s, _) in enumerate(percents):
        while at_s - percents[first][0] > within_s:
            first += 1
        if at_s - percents[0][0] >= within_s * 0.8 or last == len(percents) - 1:
            part = [percent for _, percent in percents[first : last + 1]]
            best = max(best, sum(part) / len(part))
    return best
