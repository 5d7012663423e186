"""Applying rules after a look at what is wrong or odd in them: the same for the command line and over HTTP."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from weakref import WeakValueDictionary

from router.domain.lint import Finding, Level, Lint, lint_rules
from router.domain.worded import worded
from router.rules.file import RulesFile
from router.store.apart import apart, has_many
from router.store.rules_lint import lint_lent
from router.store.rulesets import Applied, Lend, RulesBusy, RulesMoved, apply_read, compare
from router.store.tenants import Tenant

_WITHOUT_REPS = (Lint.UNKNOWN_GROUP, Lint.EMPTY_GROUP)
# An attempt fails only because another process has applied rules: in this one they take turns.
_ATTEMPTS = 6
_TURNS: "WeakValueDictionary[tuple[int, int], asyncio.Lock]" = WeakValueDictionary()
"""Whose turn it is, by event loop and tenant, for as long as somebody has it or waits for it."""


class RulesFaulty(ValueError):
    """The rules can be read, and something in them is surely wrong: `errors`. Nothing was applied."""

    def __init__(self, rules: RulesFile, errors: Iterable[Finding]) -> None:
        self.rules = rules
        self.errors = tuple(errors)
        first = self.errors[0]
        super().__init__(f'rule "{first.rule}": {first.message}' if first.rule else first.message)


@dataclass(frozen=True, slots=True)
class Given:
    """Rules as they were read. `base`: the version whose lists they were read with, where they were (0 = none)."""

    rules: RulesFile
    base: int | None = None


@dataclass(frozen=True, slots=True)
class AppliedChecked:
    """What came of it. `stopped_by`: the warnings for which nothing was applied; `findings`: all that is odd in the
    `rules`.
    """

    applied: Applied
    rules: RulesFile
    findings: tuple[Finding, ...]
    stopped_by: tuple[Finding, ...] = ()


async def apply_checked(
    lend: Lend,
    tenant: Tenant,
    source: str,
    read: Callable[[], Awaitable[Given]],
    author: str,
    note: str = "",
    *,
    dry_run: bool = False,
    anyway: bool = False,
    if_version: int | None = None,
) -> AppliedChecked:
    """Makes the rules in `source`, as `read` gives them, the active ones, unless there are warnings; `anyway` = with
    warnings, too.

    It has a connection only while it asks the database: checking and comparing thousands of rules takes seconds. What
    is applied is what was checked and compared: when another version became active meanwhile, all of it is done again.
    Who applies rules of the same tenant in this process waits for its turn. `dry_run` writes nothing. `if_version`:
    only while that version is active. Rules that are active already are not news, and nothing stops them.
    Raises RulesFaulty, RulesMoved (only with `if_version`), RulesBusy also when other processes apply rules all the
    time, and what `apply` of rulesets raises.
    """
    async with nullcontext() if dry_run else _turn(tenant.tenant_id):
        for _ in range(_ATTEMPTS):
            given = await read()
            try:
                return await _once(
                    lend, tenant, source, given, author, note, dry_run=dry_run, anyway=anyway, if_version=if_version
                )
            except RulesMoved:
                if if_version is not None:
                    raise
    raise RulesBusy(
        worded(
            "others applied rules of this tenant {count} times while these were checked; nothing was changed, "
            "try again",
            count=_ATTEMPTS,
        )
    )


def _turn(tenant_id: int) -> asyncio.Lock:
    key = id(asyncio.get_running_loop()), tenant_id
    turn = _TURNS.get(key)
    if turn is None:
        turn = _TURNS[key] = asyncio.Lock()
    return turn


async def _once(
    lend: Lend,
    tenant: Tenant,
    source: str,
    given: Given,
    author: str,
    note: str,
    *,
    dry_run: bool,
    anyway: bool,
    if_version: int | None,
) -> AppliedChecked:
    """Raises RulesMoved when another version is active than `if_version`, or than what was compared with."""
    rules = given.rules
    findings = await apart(has_many(rules), lint_rules, rules.ruleset)
    findings += await lint_lent(lend, tenant, rules)
    if errors := [one for one in findings if one.level is Level.ERROR]:
        raise RulesFaulty(rules, errors)
    applied = await compare(lend, tenant.tenant_id, rules)
    for expected in (if_version, given.base):
        if expected is not None and applied.previous != expected:
            raise RulesMoved(applied.previous, expected)
    warnings = [one for one in findings if _stops(one, tenant)] if applied.changes and not anyway else []
    if not warnings and not dry_run:
        applied = await apply_read(lend, tenant.tenant_id, source, rules, author, note, if_version=applied.previous)
    return AppliedChecked(applied, rules, tuple(findings), tuple(warnings))


def _stops(finding: Finding, tenant: Tenant) -> bool:
    """Whether rules are not applied for it. Before the first roster no group can have reps: rules may come first."""
    return finding.level is Level.WARNING and (bool(tenant.roster) or finding.lint not in _WITHOUT_REPS)
