"""The commands that make a suggested change, as they can be pasted into a shell."""

import shlex

from ops.why.change import Change, Kind
from router.domain.conditions import OneOf
from router.domain.engine import Engine

RULES_FILE = "rules.yaml"


def commands_of(change: Change, engine: Engine, tenant: str) -> tuple[str, ...]:
    """One command for a rep; for a rule the two around the edit of its file, and those of the list that it names."""
    of_tenant = f"--tenant {shlex.quote(tenant)}"
    if change.rule is not None:
        show, apply = f"lead-router rules show {of_tenant}", f"lead-router rules apply {RULES_FILE} {of_tenant}"
        lists = [shlex.quote(name) for name in lists_of(change)]
        return (
            f"{show} > {RULES_FILE}",
            *(f"{show} --list {name} > {name}" for name in lists),
            apply,
        )
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


def _value(change: Change, engine: Engine) -> str:
    """The value of the option: of `--groups` all groups that the rep is then in."""
    if change.kind is not Kind.GROUPS or change.rep is None:
        return change.value
    return "; ".join(sorted(engine.roster.group_names[group_no] for group_no in change.rep.groups))
