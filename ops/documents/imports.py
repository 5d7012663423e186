"""Imports of files and taking them back, for machines. The keys stay as they are: scripts read them."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from router.manual.undo_import import Undone
from router.store.imports import FREE, Import, Placed


def import_document(one: Import) -> dict[str, Any]:
    """One import; times in ISO 8601."""
    values = asdict(one)
    number = values.pop("import_no")
    times = {name: at.isoformat() for name, at in values.items() if isinstance(at, datetime)}
    return {"import": number, **values, **times}


def undone_document(what: Import, done: Undone, *, dry_run: bool) -> dict[str, Any]:
    """What was removed of it, or would be, by where it was; the first leads that stay by name."""
    return {
        "import": what.import_no,
        "file": what.file,
        "dry_run": dry_run,
        "removed": {state: done.removed[state] for state in FREE},
        "stays": dict(sorted(done.stays.items())),
        "locked": done.locked,
        "leads": [_named(one) for one in done.named],
    }


def _named(one: Placed) -> dict[str, Any]:
    where = {"state": one.state, "rep_id": one.rep_id, "worked_on": one.worked_on, "locked": one.is_free}
    return {"lead_id": one.lead_id, "source": one.source, "external_id": one.external_id, **where}
