"""What a replay found: who would have got which leads under other rules, as a picture, as tables and as files."""

from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web

from ops.console.before_after import bars
from ops.console.view import View
from ops.replay.document import NOTES, of_backlog
from router.domain.access import Permission
from router.domain.worded import worded
from router.http.problems import Kind, Refused

LEADS_SHOWN = 50
_SUMS = ("name", "label", "before", "after", "difference")
_LEADS = (
    "lead_id",
    "source",
    "external_id",
    "change",
    "before_state",
    "before_rep",
    "before_rule",
    "before_group",
    "before_at",
    "after_state",
    "after_rep",
    "after_rule",
    "after_group",
    "after_at",
)
_FILES: Mapping[str, Sequence[str]] = {"reps": _SUMS, "groups": _SUMS, "rules": _SUMS, "leads": _LEADS}


async def replay(view: View) -> web.Response:
    """The page: how far it is, and what it found."""
    job = await view.ask("get_job", path={"job": view.request.match_info["job"]})
    if job.kind != "replay":
        raise Refused(Kind.NOT_FOUND, worded("this job is not a replay"))
    operate = view.may(Permission.OPERATE)
    return view.render("rules_replay.html", job=job, replayed=replayed_values(job), operate=operate)


async def replay_csv(view: View) -> web.Response:
    """One of its tables."""
    named = view.request.match_info["table"]
    job = await view.ask("get_job", path={"job": view.request.match_info["job"]})
    if named not in _FILES or job.result is None or named not in job.result:
        raise Refused(Kind.NOT_FOUND, worded("this job has no such table"))
    columns = _FILES[named]
    return view.csv(f"replay-{named}", columns, ([row[name] for name in columns] for row in job.result[named]))


def replayed_values(job: Any) -> dict[str, Any] | None:
    """What the page shows of a replay that is done; None for one that is not, or that verified."""
    found = job.result
    if job.kind != "replay" or found is None or "reps" not in found:
        return None
    # The counts of reps add up to all leads that were assigned.
    totals = {name: sum(row[name] for row in found["reps"]) for name in ("before", "after")}
    return {
        "found": found,
        "notes": _notes(found),
        "totals": totals,
        "pictures": {name: bars(found[name]) for name in ("reps", "groups")},
        "leads": found["leads"][:LEADS_SHOWN],
        "more_leads": max(0, found["different_leads"] - LEADS_SHOWN),
        "in_file": len(found["leads"]),
    }


def _notes(found: Mapping[str, Any]) -> list[str]:
    """What is exact in it, and what is not, worded where this release says the same."""
    waited = found["waited_before"]
    known = (*NOTES, of_backlog(waited["from_the_start"], waited["waiting_now"]))
    worded = {str(one): one for one in known}
    return [worded.get(one, one) for one in found["notes"]]
