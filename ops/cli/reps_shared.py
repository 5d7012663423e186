"""What several commands of `lead-router reps` print."""

from typing import Any

from ops.cli.context import Found, console
from ops.documents.reps import value_shown
from ops.documents.roster_notes import RosterNotes
from router.domain.coverage import LostCoverage
from router.domain.roster_change import RosterChange
from router.store.roster import NobodyLeft

_REPS_SHOWN = 20


def refused(error: NobodyLeft) -> Found:
    """What ends a command that would leave nobody available."""
    return Found(f"nothing was changed: {error}; with --anyway it is done nevertheless")


def print_change(change: RosterChange, *, dry_run: bool = False, back_to: int | None = None) -> None:
    """A change for people; `back_to` = the version whose reps these are again."""
    out = console()
    for one in change.changed[:_REPS_SHOWN]:
        for name, (old, new) in one.fields.items():
            out.print(f"rep {one.rep_id}: {name}: {value_text(name, old)} → {value_text(name, new)}")
    if len(change.changed) > _REPS_SHOWN:
        out.print(f"… and {len(change.changed) - _REPS_SHOWN} more changed reps (--json shows all)")
    if lost := LostCoverage(change.left_alone, change.nobody_left, change.emptied).words:
        out.print(f"warning: {lost}")
    counts = f"{len(change.added)} added, {len(change.changed)} changed, {change.unchanged} unchanged"
    back = "" if back_to is None else f"back to version {back_to}; "
    if dry_run:
        out.print(f"{counts}; {back}nothing was written (--dry-run)")
    elif change.version == change.previous:
        out.print(f"{counts}; roster version {change.version} is unchanged")
    else:
        out.print(f"{counts}; {back}roster version {change.version} is now active")


def print_notes(notes: RosterNotes, *, dry_run: bool = False) -> None:
    """What whoever made the change should know."""
    for line in notes.lines(dry_run=dry_run):
        console().print(line)


def value_text(name: str, value: Any) -> str:
    """A field of a rep for people; hours that are not given are those of the rules, or always."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return "; ".join(value) or "-"
    if name == "working_hours" and not value:
        return "as the rules say, else always"
    return "-" if value in (None, "") else str(value_shown(name, value))
