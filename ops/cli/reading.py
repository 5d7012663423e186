"""Which commands only read: after an error they say that nothing was changed. One place for all of them."""

from collections.abc import Mapping
from typing import Any

import click

READING = frozenset(
    (
        *("tenants:list_", "tokens:list_", "notify:list_", "connections:list_", "maintenance_list:list_"),
        *("reps_list:list_", "reps_list:show", "reps_history:history_", "groups:groups"),
        *("rules:check", "rules:diff", "rules_trial:try_rules", "rules_history:show", "rules_history:list_versions"),
        *("leads_list:list_", "leads_imports:imports", "synonyms:list_"),
        *("customers:show", "customers:shared", "customers_check:check"),
        *("sources:list_", "sources:show", "sources_preview:preview"),
        *("webhooks:list_", "webhooks_again:dead", "journal:list_", "journal:show"),
        *("status:status", "parked:parked", "why:why", "audit:audit", "changes:changes", "events:events"),
        *("replay:replay_", "capacity:capacity", "runbook:runbook", "bundle:bundle", "doctor:doctor"),
        "doctor_mutes:mutes",
    )
)
"""MODULE:FUNCTION below `ops.cli`, as in the table of commands. What they note for themselves, such as the order of the
events that were read, is no change to users.
"""

READING_WITHOUT: Mapping[str, tuple[str, ...]] = {
    "blockers:blockers": ("cancel", "terminate"),
    "tenants:events": ("enabled",),
    "customers:rules": ("file",),
}
"""Commands that only read as long as none of these options is given."""

_TRIES = ("dry_run", "check")
"""With one of these options no command changes anything."""


def only_reads(ctx: click.Context | None) -> bool:
    """Whether the command that runs, as it was called, changes nothing; False where none runs."""
    if ctx is None or ctx.command.callback is None:
        return False
    place = place_of(ctx.command.callback)
    if any(ctx.params.get(name) for name in _TRIES) or place in READING:
        return True
    acts = READING_WITHOUT.get(place)
    return acts is not None and all(ctx.params.get(name) in (None, ()) for name in acts)


def place_of(callback: Any) -> str:
    """MODULE:FUNCTION below `ops.cli` of a command's function."""
    return f"{callback.__module__.removeprefix('ops.cli.')}:{callback.__name__}"
