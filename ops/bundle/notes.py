"""What operators wrote in their own words, where it stands in the middle of a text of ours: pure."""

from collections.abc import Mapping
from typing import Any

from ops.bundle.redact import LEFT_OUT
from ops.doctor.checks import tenant_paused
from router.domain.reason import Reason

# Changes that tell with the state before and after why somebody made it so.
_QUOTING = frozenset({"pause", "resume", "mute", "unmute"})
# Changes whose reason a person wrote, who may have done with one word that looks like a code of ours.
_BY_PEOPLE = _QUOTING | {"retry", "park", "unpark"}


def changes_without_notes(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document of `changes`, without the reasons in what was before and after."""
    return {**document, "changes": [_change(row) for row in document["changes"]]}


def status_without_notes(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document of `status`, without the reasons of pauses: in findings, warnings and in what leads wait for."""
    tenants = [_tenant(one) for one in document["tenants"]]
    return {**doctor_without_notes(document), "tenants": tenants}


def _tenant(one: Mapping[str, Any]) -> dict[str, Any]:
    shown = {**one, "waiting": [_waiting(part) for part in one["waiting"]]}
    if (paused := one["paused"]) and (why := paused["why"]):
        warnings = [text.replace(f": {why}", f": {LEFT_OUT}") for text in one["warnings"]]
        shown |= {"paused": _without_why(paused), "warnings": warnings}
    return shown


def doctor_without_notes(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document of `doctor`, without the reasons of pauses in sentences and proofs, of mutes, and in the changes of
    the hour before.
    """
    shown = {**document, "findings": [_finding(one) for one in document["findings"]]}
    # What no person wrote: a `why` in the parts of these sentences would be taken for a note, and go from all texts.
    return shown | ({"checks": [{**one, "parts": None} for one in document["checks"]]} if "checks" in document else {})


def _finding(finding: Mapping[str, Any]) -> dict[str, Any]:
    # The parts of its sentence say the same once more.
    shown = {**finding, "parts": None} if finding.get("parts") else dict(finding)
    if finding["code"] == tenant_paused.CODE:
        for why in filter(None, (row.get("why") for row in finding["evidence"])):
            shown["sentence"] = shown["sentence"].replace(f": {why}", f": {LEFT_OUT}")
        shown["evidence"] = [_without_why(row) for row in finding["evidence"]]
    if finding.get("muted"):
        shown["muted"] = _without_why(finding["muted"])
    if finding.get("changes"):
        shown["changes"] = [_change(row) for row in finding["changes"]]
    return shown


def _without_why(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**row, "why": LEFT_OUT} if row.get("why") else dict(row)


def _change(row: Mapping[str, Any]) -> dict[str, Any]:
    if row["action"] in _BY_PEOPLE:
        row = _without_why(row)
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
