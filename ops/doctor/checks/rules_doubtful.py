"""Rules in force that can never match or assign, that others hide, or whose group has no active member."""

from collections.abc import Collection, Iterator, Sequence

from ops.doctor.finding import Confidence, Finding, NotApplicable, Severity, of_tenant
from ops.doctor.scene import Scene
from router.domain import lint
from router.domain.lint import Level, Lint, lint_rules
from router.domain.lint_tenant import lint_words_changed
from router.domain.ruleset import Ruleset
from router.domain.text import fold
from router.domain.worded import worded, worded_count
from router.rules.rule_words import words_changed
from router.store.apart import MANY_RULES, apart_meanwhile
from router.store.groups import groups_with_members
from router.store.rulesets import load_ruleset
from router.store.synonyms import load_spellings
from router.store.tenants import Tenant

CODE = "rules_doubtful"


async def look(scene: Scene) -> Sequence[Finding]:
    if not scene.thorough:
        raise NotApplicable(worded("only `doctor` reads all rules"))
    tenants = [one for one in scene.tenants if one.ruleset and one.tenant_id not in scene.unreadable]
    if not tenants:
        raise NotApplicable(worded("no tenant has rules"))
    members = await groups_with_members(scene.conn, [tenant.tenant_id for tenant in tenants])
    found = []
    for tenant in tenants:
        rules = await load_ruleset(scene.conn, tenant.tenant_id, tenant.ruleset)
        with_members = members.get(tenant.tenant_id, set())
        doubts = await apart_meanwhile(scene.conn, len(rules.rules) > MANY_RULES, doubtful, rules, with_members)
        changed = words_changed(rules, await load_spellings(scene.conn, tenant.tenant_id))
        doubts += lint_words_changed(tenant.ruleset, rules.synonyms, changed)
        if doubts:
            found.append(_finding(tenant, doubts))
    return found


def doubtful(rules: Ruleset, with_members: Collection[str]) -> list[lint.Finding]:
    """What is wrong or very likely wrong; hints are for who writes rules. `with_members` are folded names of groups."""
    found = [one for one in lint_rules(rules) if one.level is not Level.HINT]
    return sorted([*found, *_empty(rules, with_members)], key=lambda one: list(Level).index(one.level))


def _empty(rules: Ruleset, with_members: Collection[str]) -> Iterator[lint.Finding]:
    seen = set(with_members)
    for place, rule in enumerate(rules.rules):
        # A rule for one rep names no group of the roster.
        if rule.group is not None and rule.rep is None and fold(rule.group) not in seen:
            seen.add(fold(rule.group))
            path, message = f"rules[{place}].assign_to", worded("group {group} has no active member", group=rule.group)
            yield lint.Finding(Level.ERROR, Lint.EMPTY_GROUP, path, message, rule.name)


def _finding(tenant: Tenant, doubts: Sequence[lint.Finding]) -> Finding:
    first = doubts[0]
    if first.rule:
        sentence = worded("rules in force: rule {rule}: {doubt}", rule=first.rule, doubt=first.message)
    else:
        sentence = worded("rules in force: {doubt}", doubt=first.message)
    if len(doubts) > 1:
        sentence += worded_count(", and {count:,} more doubt", ", and {count:,} more doubts", len(doubts) - 1)
    evidence = tuple(
        {"rule": one.rule, "lint": one.lint.value, "field": one.path, "says": str(one.message)} for one in doubts
    )
    return Finding(
        CODE,
        Severity.WARNING if first.level is Level.ERROR else Severity.INFO,
        of_tenant(tenant.name),
        sentence,
        evidence[:10],
        command=f"lead-router rules show --tenant {tenant.name}",
        confidence=Confidence.HIGH if first.level is Level.ERROR else Confidence.MEDIUM,
    )
