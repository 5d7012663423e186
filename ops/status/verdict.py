"""Whether all is well, in one line: what people read first, and often the only thing that they read."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ops.doctor.finding import Finding, Severity
from ops.status.status import Status
from ops.text.translation import ENGLISH, N_, Say


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

    say: Say = ENGLISH

    @property
    def line(self) -> str:
        """For people."""
        level = self.say.gettext(LEVELS[self.level])
        if self.look_at:
            text = self.say.gettext("{level}: {sentence}; see {command}")
            return text.format(level=level, sentence=self.sentence, command=self.look_at)
        return self.say.gettext("{level}: {sentence}").format(level=level, sentence=self.sentence)

    def document(self) -> dict[str, Any]:
        """For machines."""
        return {"level": self.level, "sentence": self.sentence, "look_at": self.look_at}


LEVELS = {Level.WRONG: N_("wrong"), Level.LOOK: N_("look"), Level.FINE: N_("fine")}


def verdict(found: Status, say: Say = ENGLISH) -> Verdict:
    """The worst of what is wrong; muted findings are not. `say` translates; the sentences of findings are English."""
    if not found.balanced:
        missing = say.ngettext(
            "{count:,} lead was accepted, and the states have {sum:,}",
            "{count:,} leads were accepted, and the states have {sum:,}",
            found.accepted,
        ).format(count=found.accepted, sum=sum(found.states.values()))
        return Verdict(Level.WRONG, missing, "lead-router audit", say)
    names = {one.tenant.name for one in found.tenants}
    findings = [
        one
        for one in found.findings
        if one.muted is None and (one.subject.kind != "tenant" or one.subject.name in names)
    ]
    for severity, level in ((Severity.CRITICAL, Level.WRONG), (Severity.WARNING, Level.LOOK)):
        if worst := [one for one in findings if one.severity is severity]:
            return Verdict(level, _of(worst, severity, len(found.tenants), say), "lead-router doctor", say)
    if not found.tenants:
        return Verdict(Level.FINE, say.gettext("no tenant yet"), "lead-router tenants add NAME --time-zone ZONE", say)
    if not found.accepted:
        return Verdict(Level.FINE, say.gettext("no lead has come yet"), None, say)
    return Verdict(Level.FINE, _fine(found, say), None, say)


def _of(worst: Sequence[Finding], severity: Severity, tenants: int, say: Say) -> str:
    first = worst[0]
    whose = f"{first.subject.name}: " if first.subject.kind == "tenant" and tenants > 1 else ""
    others = len(worst) - 1
    if not others:
        return f"{whose}{first.sentence}"
    if severity is Severity.WARNING:
        more = say.ngettext("and {count:,} warning more", "and {count:,} warnings more", others)
    else:
        more = say.ngettext("and {count:,} critical finding more", "and {count:,} critical findings more", others)
    return f"{whose}{first.sentence} ({more.format(count=others)})"


def _fine(found: Status, say: Say) -> str:
    waiting, ready = found.states["waiting"], found.waiting.get("ready", 0)
    assigned, parked, held = found.states["assigned"], found.states["parked"], waiting - ready
    texts = (
        (assigned, say.ngettext("{count:,} lead assigned", "{count:,} leads assigned", assigned)),
        (
            ready,
            say.ngettext("{count:,} lead ready for the next batch", "{count:,} leads ready for the next batch", ready),
        ),
        (
            held,
            say.ngettext("{count:,} lead waiting, with a reason", "{count:,} leads waiting, with a reason each", held),
        ),
        (
            parked,
            say.ngettext(
                "{count:,} lead parked for a person to look at",
                "{count:,} leads parked for a person to look at",
                parked,
            ),
        ),
    )
    return ", ".join(text.format(count=leads) for place, (leads, text) in enumerate(texts) if leads or not place)
