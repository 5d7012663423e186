"""The commands that make a suggested change, as they can be pasted into a shell."""

import shlex
from pathlib import PurePosixPath

from ops.why.change import Change, Kind
from router.domain.conditions import OneOf
from router.domain.engine import Engine

RULES_FILE = "rules.yaml"


def commands_of(change: Change, engine: Engine, tenant: str) -> tuple[str, ...]:
    """One command for a rep; for a rule the two around the edit of its file.

    The first of these writes the rules and all their lists, without which they cannot be applied, into a new folder:
    where there is one of that name, nothing is written.
    """
    of_tenant = f"--tenant {shlex.quote(tenant)}"
    if change.rule is not None:
        return _written_out(engine, tenant, of_tenant), f"lead-router rules apply {RULES_FILE} {of_tenant}"
    assert change.rep is not None
    # A name that begins with a dash is no option.
    rep_id = f"-- {shlex.quote(change.rep.rep_id)}" if change.rep.rep_id.startswith("-") else None
    named, last = ("", f" {rep_id}") if rep_id else (f" {shlex.quote(change.rep.rep_id)}", "")
    if change.kind is Kind.PRESENT:
        return (f"lead-router reps present{named} {of_tenant}{last}",)
    option = f"--{change.kind.value.replace('_', '-')}"
    value = shlex.quote(_value(change, engine))
    return (f"lead-router reps set{named} {of_tenant} {option} {value}{last}",)


def lists_of(change: Change) -> tuple[str, ...]:
    """The files with the values of the condition that is widened."""
    facts = change.rule.match.one_of if change.rule is not None else ()
    return next((c.in_file for c in facts if isinstance(c, OneOf) and c.field == change.field), ())


def _written_out(engine: Engine, tenant: str, of_tenant: str) -> str:
    folder, show = shlex.quote(f"rules-{tenant}"), f"lead-router rules show {of_tenant}"
    facts = [c for rule in engine.rules for c in rule.match.one_of if isinstance(c, OneOf)]
    lists = dict.fromkeys(name for condition in facts for name in condition.in_file)
    below = dict.fromkeys(parent for name in lists if (parent := str(PurePosixPath(name).parent)) != ".")
    return " && ".join(
        (
            f"mkdir {folder} && cd {folder} && {show} > {RULES_FILE}",
            *(f"mkdir -p -- {shlex.quote(parent)}" for parent in below),
            *(f"{show} --list={shlex.quote(name)} > {shlex.quote(name)}" for name in lists),
        )
    )


def _value(change: Change, engine: Engine) -> str:
    """The value of the option: of `--groups` all groups that the rep is then in."""
    if change.kind is not Kind.GROUPS or change.rep is None:
        return change.value
    of_one_rep = {rule.group for rule in engine.rules if rule.rep is not None}
    names = {engine.roster.group_names[group_no] for group_no in change.rep.groups} - of_one_rep
    return "; ".join(sorted(names))
