"""The audit for machines. The keys stay as they are: scripts read them."""

from typing import Any

from ops.audit.audit import Audit


def document(result: Audit, seconds: float) -> dict[str, Any]:
    """The JSON document of an audit that took so many seconds."""
    return {
        "ok": result.ok,
        "accepted": result.accepted,
        "states": result.states,
        "violations": [
            {
                "kind": violation.kind.name,
                "promise": violation.kind.promise,
                "count": violation.count,
                "examples": list(violation.examples),
                "means": violation.kind.means,
                "do": violation.kind.todo,
            }
            for violation in result.violations
        ],
        "tenants": result.tenants,
        "checks": result.checks,
        "replayed": result.replayed,
        "not_replayed": result.not_replayed,
        "seconds": round(seconds, 3),
    }
