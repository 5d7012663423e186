"""A finding: one thing that needs a person, the same for `status`, the doctor, alerts and whatever else reports it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from router.domain.worded import Worded, parts_of
from router.domain.written_time import written


class NotApplicable(Exception):
    """Raised by a check that has nothing to look at here; the message says why."""


class Severity(StrEnum):
    """`critical`: leads are not routed, or are unaccounted for; `warning`: they will not be, or got worse."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


class Confidence(StrEnum):
    """How sure it is that this is the trouble: `high`, `medium` (it looks like it), `low` (it may be)."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


@dataclass(frozen=True, slots=True)
class Subject:
    """What a finding is about: its kind (tenant, rep, rule, lead, table, server, …) and name."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Muted:
    """A mute in force: until when (UTC), by whom, why, and since when."""

    until: datetime
    by: str
    why: str
    since: datetime

    def document(self) -> dict[str, str]:
        """For machines."""
        times = {"until": self.until.astimezone(UTC).isoformat(), "since": self.since.astimezone(UTC).isoformat()}
        return {**times, "by": self.by, "why": self.why}

    @property
    def words(self) -> str:
        """For people."""
        return f"muted until {written(self.until)} by {self.by}: {self.why}"


@dataclass(frozen=True, slots=True)
class Finding:
    """`evidence` = rows that prove it, ten at most; `since` = UTC, None = not known; `command` = what fixes it, or
    shows more; `held_back` = so many leads wait for it, the oldest since `oldest` (UTC). `muted` = somebody knows of
    it, and it calls for nobody now. `parts` = how the sentence is made (`router/domain/worded.py`), None = it is not
    known.

    A finding is the same as an earlier one when code and subject are. `code` is stable, and names the runbook.
    """

    code: str
    severity: Severity
    subject: Subject
    sentence: str
    evidence: tuple[Mapping[str, Any], ...] = ()
    since: datetime | None = None
    command: str | None = None
    held_back: int = 0
    oldest: datetime | None = None
    confidence: Confidence = Confidence.HIGH
    symptom: bool = False
    changes: tuple[Mapping[str, Any], ...] | None = None
    muted: Muted | None = None
    parts: Sequence[Mapping[str, Any]] | None = None

    def __post_init__(self) -> None:
        """A worded sentence is kept as a text and its parts."""
        if isinstance(self.sentence, Worded):
            object.__setattr__(self, "parts", parts_of(self.sentence))
            object.__setattr__(self, "sentence", str(self.sentence))

    @property
    def runbook(self) -> str:
        """The page, from the root of the project."""
        return f"runbooks/{self.code}.md"

    @property
    def line(self) -> str:
        """For people, in one line."""
        whose = f"{self.subject.name}: " if self.subject.kind == "tenant" else ""
        command = f"; {self.command}" if self.command else ""
        return f"{self.severity}: {whose}{self.sentence}{command} [{self.code}]"

    def document(self) -> dict[str, Any]:
        """For machines."""
        return {
            "code": self.code,
            "severity": self.severity,
            "subject": {"kind": self.subject.kind, "name": self.subject.name},
            "sentence": self.sentence,
            "parts": None if self.parts is None else list(self.parts),
            "evidence": [dict(row) for row in self.evidence],
            "since": None if self.since is None else self.since.isoformat(),
            "command": self.command,
            "held_back": self.held_back,
            "oldest": None if self.oldest is None else self.oldest.isoformat(),
            "confidence": self.confidence,
            "changes": None if self.changes is None else [dict(row) for row in self.changes],
            "runbook": self.runbook,
            "muted": None if self.muted is None else self.muted.document(),
        }


def of_tenant(name: str) -> Subject:
    """A tenant as the subject."""
    return Subject("tenant", name)
