"""Linting rules beside what their tenant has: roster, groups, zone, and the leads of the last months."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta

from router.domain.calendar import business_day
from router.domain.lint import ALL_READ, Finding, Level, Lint, Unread
from router.domain.lint_tenant import DAYS_SEEN, Seen, lint_dates, lint_groups, lint_values, lint_zones
from router.domain.ruleset import Ruleset
from router.domain.text import fold
from router.rules.file import RulesFile, ZoneDiffers
from router.store.roster import load_roster
from router.store.statements import Connection, load
from router.store.tenants import Tenant

_SQL = load("rules_lint")
_VALUES_LIMIT = 200_000


async def lint_for_tenant(
    conn: Connection, tenant: Tenant, rules: RulesFile, unread: Unread = ALL_READ
) -> list[Finding]:
    """What only shows beside the tenant, of what was read. Reads the leads of the last months; writes nothing."""
    found: list[Finding] = []
    try:
        rules.for_tenant(0, tenant.time_zone)
    except ZoneDiffers as error:
        found.append(Finding(Level.ERROR, Lint.OTHER_ZONE, "business_time_zone", str(error)))
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        roster = await load_roster(conn, tenant.tenant_id, tenant.roster)
        seen = await _values_seen(conn, tenant.tenant_id, rules.ruleset)
    found += lint_zones(tenant.time_zone, roster)
    found += lint_dates(rules.ruleset, business_day(datetime.now(UTC), tenant.time_zone).date)
    found += [*lint_groups(rules.ruleset, roster), *lint_values(rules.ruleset, seen)]
    if unread.within("defaults") or unread.within("calendar"):
        # Who never gets a lead hangs on them too.
        found = [one for one in found if one.lint is not Lint.REPS_WITHOUT_LEADS]
    return unread.keep(found)


async def _values_seen(conn: Connection, tenant_id: int, ruleset: Ruleset) -> Seen:
    """The values of the fields that rules match on, folded."""
    fields = sorted({condition.field for rule in ruleset.rules for condition in rule.match.facts})
    if not fields:
        return {}
    since = timedelta(days=DAYS_SEEN)
    rows = await _SQL.values_seen.fetch(conn, tenant_id=tenant_id, fields=fields, since=since, limit=_VALUES_LIMIT)
    found: dict[str, set[str]] = defaultdict(set)
    for field, value in rows:
        found[field].add(fold(value))
    return {field: frozenset(values) for field, values in found.items()}
