"""Rules files, what is odd in them, and what applying them did, for machines. The keys stay as they are."""

from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Any

from router.domain.lint import Finding
from router.domain.ruleset_diff import Change
from router.domain.worded import parts_of
from router.rules.file import RulesFile
from router.store.rulesets import Applied

_CHANGE = tuple(field.name for field in fields(Change))


def line_of(rules: RulesFile, path: str) -> int:
    """The line of a field, or of the nearest field around it; 1 where there is none."""
    while path and path not in rules.lines:
        path = path[: max(path.rfind("."), path.rfind("["), 0)]
    return rules.lines.get(path, 1)


def findings_document(rules: RulesFile, findings: Iterable[Finding], *, parts: bool = False) -> list[dict[str, Any]]:
    """In the order in which they were found; with the `parts` of the messages, for other languages."""
    return [
        {
            "level": found.level.value,
            "lint": found.lint.value,
            "rule": found.rule or None,
            "line": line_of(rules, found.path),
            "field": found.path,
            "message": str(found.message),
            **({"parts": parts_of(found.message)} if parts else {}),
        }
        for found in findings
    ]


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
    return [{**{name: getattr(change, name) for name in _CHANGE}, "text": str(change)} for change in changes]
