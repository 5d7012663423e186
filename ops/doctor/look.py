"""All checks, found by listing `ops/doctor/checks/`: a new one is a file there and a page in `runbooks/`."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from time import perf_counter

from ops.doctor import checks
from ops.doctor.finding import Confidence, Finding, NotApplicable, Severity, Subject
from ops.doctor.scene import Scene
from ops.doctor.stalls import with_stalls
from router.domain.worded import said_by, worded
from router.store.errors import TRANSIENT_ERRORS

Check = Callable[[Scene], Awaitable[Sequence[Finding]]]

COULD_NOT_CHECK = "could_not_check"
_STALLED = "stalled"
_NAMES_SERVERS = "database_busy"
LIMIT_S = 2.0
"""So long one check may take."""

_ORDER = list(Severity)
_SURENESS = list(Confidence)


@dataclass(frozen=True, slots=True)
class Checked:
    """What one check came to: findings, nothing, that it does not apply (why), or that it could not look (why)."""

    code: str
    findings: Sequence[Finding] = ()
    not_applicable: str | None = None
    failure: str | None = None
    seconds: float = 0.0


@cache
def all_checks() -> dict[str, Check]:
    """The `look` of each check by its code, which is the name of its file."""
    names = sorted(module.name for module in iter_modules(checks.__path__))
    return {name: import_module(f"{checks.__name__}.{name}").look for name in names}


@cache
def purposes() -> dict[str, str]:
    """What each check looks for: the first line of its module."""
    return {
        code: (import_module(f"{checks.__name__}.{code}").__doc__ or "").strip().splitlines()[0]
        for code in all_checks()
    }


async def examine(scene: Scene, only: Collection[str] = (), limit_s: float = LIMIT_S) -> list[Checked]:
    """Runs all checks, or `only` those; one that fails, or takes longer than `limit_s` seconds, stops no other.

    A finding is as bad as in a look at all: whether leads stand still is always asked. And so is which server keeps
    tenants from being looked at: what was found is without these.
    """
    if only and scene.away:
        only = {*only, _NAMES_SERVERS}
    chosen = {code: check for code, check in all_checks().items() if not only or code in {*only, _STALLED}}
    results = [await _examine(scene, code, check, limit_s) for code, check in chosen.items()]
    stalled = [finding for one in results if one.code == _STALLED for finding in one.findings]
    return [_beside(stalled, one) for one in results if not only or one.code in only]


def _beside(stalled: Sequence[Finding], one: Checked) -> Checked:
    if not stalled or not one.findings or one.code == _STALLED:
        return one
    return replace(one, findings=tuple(with_stalls([*stalled, *one.findings])[len(stalled) :]))


async def _examine(scene: Scene, code: str, check: Check, limit_s: float) -> Checked:
    begin = perf_counter()
    findings: Sequence[Finding] = ()
    not_applicable: str | None = None
    failure: str | None = None
    try:
        # A savepoint: what one check breaks, the next does not meet.
        async with scene.conn.transaction(), asyncio.timeout(limit_s):
            findings = tuple(await check(scene))
    except NotApplicable as reason:
        not_applicable = said_by(reason)
    except TimeoutError:
        failure = worded("it took longer than {limit} s", limit=f"{limit_s:g}")
    except TRANSIENT_ERRORS as error:
        failure = f"{type(error).__name__}: {error}"
    except Exception as error:  # a mistake in one check must not hide what the others find
        failure = f"{type(error).__name__}: {error}"
    return Checked(code, findings, not_applicable, failure, perf_counter() - begin)


def findings_of(results: Sequence[Checked]) -> list[Finding]:
    """All that was found, and what could not be checked: the worst first, causes before symptoms, then what holds back
    most leads.
    """
    found = [finding for one in results for finding in one.findings]
    found += [_could_not(one.code, one.failure) for one in results if one.failure is not None]
    return sorted(found, key=_rank)


def _rank(finding: Finding) -> tuple[int, bool, bool, int, int]:
    """What holds leads back before what does not; of each, causes before symptoms."""
    severity, sureness = _ORDER.index(finding.severity), _SURENESS.index(finding.confidence)
    return severity, not finding.held_back, finding.symptom, -finding.held_back, sureness


def _could_not(code: str, why: str) -> Finding:
    command = f"lead-router doctor --only {code}"
    return Finding(
        COULD_NOT_CHECK,
        Severity.WARNING,
        Subject("check", code),
        worded("{check} could not be checked: {why}", check=code, why=why),
        command=command,
    )
