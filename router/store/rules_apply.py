"""Applying rules after a look at what is wrong or odd in them: the same for the command line and over HTTP."""

from collections.abc import Iterable
from dataclasses import dataclass

from router.domain.lint import Finding, Level, Lint, lint_rules
from router.rules.file import RulesFile
from router.rules.lists import ReadList, no_lists
from router.store.apart import apart_meanwhile, has_many
from router.store.rules_lint import lint_for_tenant
from router.store.rulesets import Applied, RulesMoved, apply, compare
from router.store.statements import Connection
from router.store.tenants import Tenant

_WITHOUT_REPS = (Lint.UNKNOWN_GROUP, Lint.EMPTY_GROUP)


class RulesFaulty(ValueError):
    """The rules can be read, and something in them is surely wrong: `errors`. Nothing was applied."""

    def __init__(self, errors: Iterable[Finding]) -> None:
        self.errors = tuple(errors)
        first = self.errors[0]
        super().__init__(f'rule "{first.rule}": {first.message}' if first.rule else first.message)


@dataclass(frozen=True, slots=True)
class AppliedChecked:
    """What came of it. `stopped_by`: the warnings for which nothing was applied; `findings`: all that is odd."""

    applied: Applied
    findings: tuple[Finding, ...]
    stopped_by: tuple[Finding, ...] = ()


async def apply_checked(
    conn: Connection,
    tenant: Tenant,
    source: str,
    rules: RulesFile,
    author: str,
    note: str = "",
    *,
    file: str = "rules",
    lists: ReadList = no_lists,
    dry_run: bool = False,
    anyway: bool = False,
    if_version: int | None = None,
) -> AppliedChecked:
    """Makes the rules in `source` the active ones, unless there are warnings; `anyway` = with warnings, too.

    `rules` are those of `source`. `dry_run` writes nothing. `if_version`: only while that version is active. Rules that
    are active already are not news, and nothing stops them.
    Raises RulesFaulty, and what `apply` of rulesets raises.
    """
    findings = await apart_meanwhile(conn, has_many(rules), lint_rules, rules.ruleset)
    findings += await lint_for_tenant(conn, tenant, rules)
    if errors := [one for one in findings if one.level is Level.ERROR]:
        raise RulesFaulty(errors)
    applied = await compare(conn, tenant.tenant_id, source, file=file, lists=lists)
    if if_version is not None and applied.previous != if_version:
        raise RulesMoved(applied.previous, if_version)
    warnings = [one for one in findings if _stops(one, tenant)] if applied.changes and not anyway else []
    if not warnings and not dry_run:
        applied = await apply(
            conn, tenant.tenant_id, source, author, note, file=file, lists=lists, if_version=if_version
        )
    return AppliedChecked(applied, tuple(findings), tuple(warnings))


def _stops(finding: Finding, tenant: Tenant) -> bool:
    """Whether rules are not applied for it. Before the first roster no group can have reps: rules may come first."""
    return finding.level is Level.WARNING and (bool(tenant.roster) or finding.lint not in _WITHOUT_REPS)
