"""What operators wrote in their own words, where it stands in the middle of a text of ours: pure."""

from collections.abc import Mapping
from typing import Any

from ops.bundle.redact import LEFT_OUT
from router.domain.reason import Reason

# Changes that tell with the state before and after why somebody made it so.
_QUOTING = frozenset({"pause", "resume", "mute", "unmute"})


def changes_without_notes(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document of `changes`, without the reasons in what was before and after."""
    return {**document, "changes": [_change(row) for row in document["changes"]]}


def status_without_notes(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document of `status`, without the reasons of pauses in what leads wait for."""
    tenants = [{**one, "waiting": [_waiting(part) for part in one["waiting"]]} for one in document["tenants"]]
    return {**document, "tenants": tenants}


def _change(row: Mapping[str, Any]) -> dict[str, Any]:
    if row["action"] not in _QUOTING:
        return dict(row)
    return {**row, "before": _first(row["before"], ": "), "after": _first(row["after"], ": ")}


def _waiting(part: Mapping[str, Any]) -> dict[str, Any]:
    if part["reason"] != Reason.PAUSED:
        return dict(part)
    return {**part, "waits_for": [_first(words, " (") for words in part["waits_for"]]}


def _first(text: str, mark: str) -> str:
    """The text before the mark, and that there was more."""
    kept, found, _ = text.partition(mark)
    return f"{kept}{mark}{LEFT_OUT}" if found else kept
