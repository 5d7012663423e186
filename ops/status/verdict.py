"""Whether all is well, in one line: what people read first, and often the only thing that they read."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ops.doctor.finding import Finding, Severity
from ops.status.status import Status
from router.domain.phrases import count


class Level(StrEnum):
    """`wrong`: leads are not routed, or not accounted for; `look`: something got worse, or soon will."""

    WRONG = "wrong"
    LOOK = "look"
    FINE = "fine"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`look_at` = the command that shows more; None = there is nothing to look at."""

    level: Level
    sentence: str
    look_at: str | None = None

    @property
    def line(self) -> str:
        """For people."""
        return f"{self.level}: {self.sentence}" + (f"; see {self.look_at}" if self.look_at else "")

    def document(self) -> dict[str, Any]:
        """For machines."""
        return {"level": self.level, "sentence": self.sentence, "look_at": self.look_at}


def verdict(found: Status) -> Verdict:
    """The worst of what is wrong; muted findings are not."""
    if not found.balanced:
        accepted = count(found.accepted, "lead was", "leads were")
        missing = f"{accepted} accepted, and the states have {sum(found.states.values()):,}"
        return Verdict(Level.WRONG, missing, "lead-router audit")
    names = {one.tenant.name for one in found.tenants}
    findings = [
        one
        for one in found.findings
        if one.muted is None and (one.subject.kind != "tenant" or one.subject.name in names)
    ]
    for severity, level in ((Severity.CRITICAL, Level.WRONG), (Severity.WARNING, Level.LOOK)):
        if worst := [one for one in findings if one.severity is severity]:
            return Verdict(level, _of(worst, severity, len(found.tenants)), "lead-router doctor")
    if not found.tenants:
        return Verdict(Level.FINE, "no tenant yet", "lead-router tenants add NAME --time-zone ZONE")
    if not found.accepted:
        return Verdict(Level.FINE, "no lead has come yet")
    return Verdict(Level.FINE, _fine(found))


def _of(worst: Sequence[Finding], severity: Severity, tenants: int) -> str:
    first = worst[0]
    whose = f"{first.subject.name}: " if first.subject.kind == "tenant" and tenants > 1 else ""
    what = ("warning", "warnings") if severity is Severity.WARNING else ("critical finding", "critical findings")
    more = f" (and {count(len(worst) - 1, *what)} more)" if len(worst) > 1 else ""
    return f"{whose}{first.sentence}{more}"


def _fine(found: Status) -> str:
    waiting, ready = found.states["waiting"], found.waiting.get("ready", 0)
    parts = [f"{count(found.states['assigned'], 'lead')} assigned"]
    if ready:
        parts.append(f"{count(ready, 'lead')} ready for the next batch")
    if held := waiting - ready:
        parts.append(f"{count(held, 'lead')} waiting, with a reason each")
    if parked := found.states["parked"]:
        parts.append(f"{count(parked, 'lead')} parked for a person to look at")
    return ", ".join(parts)
