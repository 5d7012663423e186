"""All checks, found by listing `ops/doctor/checks/`: a new one is a file there and a page in `runbooks/`."""

from collections.abc import Awaitable, Callable, Sequence
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from ops.doctor import checks
from ops.doctor.finding import Finding, Severity
from ops.doctor.scene import Scene

Check = Callable[[Scene], Awaitable[Sequence[Finding]]]

_ORDER = list(Severity)


@cache
def all_checks() -> dict[str, Check]:
    """The `look` of each check by its code, which is the name of its file."""
    names = sorted(module.name for module in iter_modules(checks.__path__))
    return {name: import_module(f"{checks.__name__}.{name}").look for name in names}


async def look(scene: Scene) -> list[Finding]:
    """What all checks find, the worst first."""
    found = [finding for check in all_checks().values() for finding in await check(scene)]
    return sorted(found, key=lambda finding: _ORDER.index(finding.severity))
