"""Linting rules beside what their tenant has: roster, groups, zone, and the leads of the last months."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from router.domain.asked import ATTRIBUTES, BEGINS, COMPANY, PHONE_REGION, beginning_form, comparable, json_value_text
from router.domain.calendar import business_day
from router.domain.calendars import in_calendars
from router.domain.coverage import UnnamedGroup, unnamed_groups
from router.domain.lint import ALL_READ, Finding, Level, Lint, Unread, lint_rules
from router.domain.lint_tenant import (
    DAYS_SEEN,
    Seen,
    lint_calendars,
    lint_dates,
    lint_groups,
    lint_hours_of_reps,
    lint_synonyms,
    lint_unnamed,
    lint_values,
    lint_words_of_reps,
    lint_zones,
)
from router.domain.matching import asked_of
from router.domain.phone_region import phone_region
from router.domain.ruleset import Ruleset
from router.domain.text import fold
from router.domain.worded import said_by
from router.rules.file import RulesFile, ZoneDiffers
from router.rules.rule_words import with_words, words_changed, words_of
from router.store.apart import apart_meanwhile, has_many
from router.store.roster import current_reps, load_roster
from router.store.rulesets import load_ruleset
from router.store.statements import Connection, load
from router.store.synonyms import load_spellings
from router.store.tenants import Tenant

_SQL = load("rules_lint")
_VALUES_LIMIT = 200_000
# So many leads say which attributes there are.
_LEADS_LOOKED_AT = 100_000


async def lint_for_tenant(
    conn: Connection, tenant: Tenant, rules: RulesFile, unread: Unread = ALL_READ, *, leads: bool = True
) -> list[Finding]:
    """What only shows beside the tenant, of what was read. With `leads` it reads those of the last months, which takes
    its time where there are many; writes nothing.
    """
    found: list[Finding] = []
    try:
        rules.for_tenant(0, tenant.time_zone)
    except ZoneDiffers as error:
        found.append(Finding(Level.ERROR, Lint.OTHER_ZONE, "business_time_zone", said_by(error)))
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        roster = await load_roster(conn, tenant.tenant_id, tenant.roster)
        spellings = await load_spellings(conn, tenant.tenant_id)
        ruleset = with_words(rules.ruleset, words_of(rules.ruleset, spellings))
        seen = await _values_seen(conn, tenant.tenant_id, ruleset) if leads else None
    found += lint_zones(tenant.time_zone, roster, ruleset)
    found += [*lint_groups(ruleset, in_calendars(roster, ruleset)), *lint_calendars(ruleset, roster)]
    found += [*(lint_values(ruleset, seen) if leads else ()), *lint_hours_of_reps(roster)]
    found += lint_words_of_reps(ruleset, roster, spellings.spelled)
    found += lint_synonyms(ruleset)
    found += await apart_meanwhile(conn, has_many(rules), _with_words_only, rules.ruleset, ruleset, unread)
    if not unread.within("rules"):
        # A rule that could not be read may name the group.
        found += lint_unnamed(rules.ruleset, roster)
    found += lint_dates(rules.ruleset, business_day(datetime.now(UTC), tenant.time_zone).date)
    if unread.within("defaults") or unread.within("calendar"):
        # Who never gets a lead hangs on them too.
        found = [one for one in found if one.lint is not Lint.REPS_WITHOUT_LEADS]
    return unread.keep(found)


def _with_words_only(said: Ruleset, ruleset: Ruleset, unread: Unread) -> list[Finding]:
    """What the rules show only with the synonyms' words, such as a rule that another one hides."""
    if ruleset is said or not ruleset.synonyms:
        return []
    alone = set(lint_rules(said, unread))
    return [one for one in lint_rules(ruleset, unread) if one not in alone]


async def synonyms_since_applied(conn: Connection, tenant: Tenant) -> list[tuple[str, str, str]]:
    """(field, value, word) for which the rules in force had another word than the synonyms have. Raises RulesError."""
    if not tenant.ruleset:
        return []
    rules = await load_ruleset(conn, tenant.tenant_id, tenant.ruleset)
    return words_changed(rules, await load_spellings(conn, tenant.tenant_id))


async def groups_no_rule_names(conn: Connection, tenant: Tenant) -> list[UnnamedGroup]:
    """Of the rules and the roster in force, with the reps that no rule reaches. Raises RulesError."""
    if not tenant.ruleset:
        return []
    rules = await load_ruleset(conn, tenant.tenant_id, tenant.ruleset)
    reps = await current_reps(conn, tenant.tenant_id)
    return unnamed_groups(rules, ((rep.rep_id, rep.values["groups"]) for rep in reps if rep.values["active"]))


async def _values_seen(conn: Connection, tenant_id: int, ruleset: Ruleset) -> Seen | None:
    """The values of the fields that rules match on, folded; None = no lead came."""
    fields = sorted({condition.field for rule in ruleset.rules for condition in rule.match.facts})
    if not fields:
        return {}
    since = timedelta(days=DAYS_SEEN)
    if not await _SQL.any_lead.value(conn, tenant_id=tenant_id, since=since):
        return None
    rows = await _SQL.values_seen.fetch(conn, tenant_id=tenant_id, fields=fields, since=since, limit=_VALUES_LIMIT)
    found: dict[str, set[str]] = defaultdict(set)
    for field, value in rows:
        found[field].add(fold(value))
    if more := asked_of(ruleset.rules):
        found |= await _more_seen(conn, tenant_id, more)
    return {field: frozenset(values) for field, values in found.items()}


async def _more_seen(conn: Connection, tenant_id: int, asked: Sequence[str]) -> dict[str, set[str]]:
    """The same of the company and of attributes, as they are compared; under `attributes.` the names that there are."""
    of = {"tenant_id": tenant_id, "since": timedelta(days=DAYS_SEEN)}
    names = [name for name in asked if name.startswith(ATTRIBUTES)]
    bare = [name.removeprefix(ATTRIBUTES) for name in names]
    found: dict[str, set[str]] = {name: set() for name in asked}
    if PHONE_REGION in asked:
        rows = await _SQL.phones_seen.fetch(conn, limit=_LEADS_LOOKED_AT, **of)
        found[PHONE_REGION] = {fold(region) for row in rows if (region := phone_region(row[0])) is not None}
    rows = await _SQL.more_seen.fetch(conn, with_company=COMPANY in asked, names=bare, limit=_VALUES_LIMIT, **of)
    for place, value in rows:
        field = names[place - 1] if place else COMPANY
        said = json_value_text(value) if place else value
        found[field].add(comparable(field, said))
        found.setdefault(field + BEGINS, set()).add(beginning_form(field)(said))
    if names:
        rows = await _SQL.attribute_names.fetch(conn, leads=_LEADS_LOOKED_AT, **of)
        found[ATTRIBUTES] = {row[0] for row in rows}
    return found
