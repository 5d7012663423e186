"""The roster's versions for machines. The keys stay as they are: scripts read them."""

from typing import Any

from ops.documents.reps import fields_document
from router.store.roster_history import RepEntry, RosterEntry, VersionShown


def entry_document(entry: RosterEntry, active: int) -> dict[str, Any]:
    """A version of the list."""
    counts = {"added": entry.added, "changed": entry.changed, "in_force": entry.version == active}
    return {"version": entry.version, "at": entry.at, "author": entry.author, "note": entry.note, **counts}


def version_document(shown: VersionShown) -> dict[str, Any]:
    """One version, rep by rep."""
    return {
        "version": shown.version,
        "at": shown.at,
        "author": shown.author,
        "note": shown.note,
        "in_force": shown.in_force,
        "added": list(shown.added),
        "changed": [{"rep_id": one.rep_id, "fields": fields_document(one)} for one in shown.changed],
    }


def rep_entry_document(entry: RepEntry) -> dict[str, Any]:
    """What a version changed for one rep; `fields` null = the rep came with it."""
    fields = None if entry.change is None else fields_document(entry.change)
    return {"version": entry.version, "at": entry.at, "author": entry.author, "note": entry.note, "fields": fields}
