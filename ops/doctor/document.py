"""`doctor` for machines. The keys stay as they are: scripts read them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from ops.doctor.finding import Finding
from ops.doctor.look import Checked
from router.domain.worded import parts_of


def document(findings: Sequence[Finding], results: Sequence[Checked], at: datetime) -> dict[str, Any]:
    """The JSON document; `at` = the moment of the look (UTC)."""
    return {
        "at": at.isoformat(),
        "findings": [finding.document() for finding in findings],
        "checks": [
            {
                "code": one.code,
                "result": result_of(one),
                "why": _why(one),
                "parts": parts_of(one.failure or one.not_applicable or ""),
                "seconds": round(one.seconds, 4),
            }
            for one in results
        ],
    }


def _why(one: Checked) -> str | None:
    why = one.failure or one.not_applicable
    return None if why is None else str(why)


def result_of(one: Checked) -> str:
    """`found`, `fine`, `not_applicable` or `could_not_check`."""
    if one.failure is not None:
        return "could_not_check"
    if one.not_applicable is not None:
        return "not_applicable"
    return "found" if one.findings else "fine"
