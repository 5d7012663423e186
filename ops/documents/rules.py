"""Rules files, what is odd in them, and what applying them did, for machines. The keys stay as they are."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from router.domain.lint import Finding
from router.domain.ruleset_diff import Change
from router.domain.worded import parts_of
from router.rules.file import RulesFile
from router.store.rulesets import Applied


def line_of(rules: RulesFile, path: str) -> int:
    """The line of a field, or of the nearest field around it; 1 where there is none."""
    while path and path not in rules.lines:
        path = path[: max(path.rfind("."), path.rfind("["), 0)]
    return rules.lines.get(path, 1)


def findings_document(rules: RulesFile, findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """In the order in which they were found."""
    return [
        {
            "level": found.level.value,
            "lint": found.lint.value,
            "rule": found.rule or None,
            "line": line_of(rules, found.path),
            "field": found.path,
            "message": str(found.message),
        }
        for found in findings
    ]


def findings_with_parts(rules: RulesFile, findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """As `findings_document`, each also with how its message is made; None = it is not known."""
    listed = findings_document(rules, findings)
    return [one | {"parts": parts_of(found.message)} for one, found in zip(listed, findings, strict=True)]


def applied_document(applied: Applied) -> dict[str, Any]:
    """What was applied."""
    return {
        "version": applied.version,
        "previous": applied.previous,
        "changes": _changes(applied.changes),
        "new_groups": list(applied.new_groups),
    }


def compared_document(version: int, base: int, changes: Sequence[Change]) -> dict[str, Any]:
    """What is different in a version."""
    return {"version": version, "base": base, "changes": _changes(changes)}


def _changes(changes: Sequence[Change]) -> list[dict[str, Any]]:
    return [{**asdict(change), "text": str(change)} for change in changes]
