"""What the leads of the last months said in the fields that rules ask for."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from router.domain.asked import ATTRIBUTES, BEGINS, COMPANY, PHONE_REGION, beginning_form, comparable, json_value_text
from router.domain.lint_tenant import DAYS_SEEN, Seen
from router.domain.matching import asked_of
from router.domain.phone_region import phone_region
from router.domain.ruleset import Ruleset
from router.domain.text import fold
from router.store.statements import Connection, Row, load

_SQL = load("values_seen")
_VALUES_LIMIT = 200_000
# So many leads say which attributes there are.
_LEADS_LOOKED_AT = 100_000
_MANY_ROWS = 5_000


@dataclass(frozen=True, slots=True)
class SeenRows:
    """As the database has it, not folded yet. `any_lead` = leads came; the other parts as their statements give them.

    `asked` are the names of the fields beyond those that the pool holds.
    """

    any_lead: bool = True
    rows: Sequence[Row] = ()
    asked: Sequence[str] = ()
    phones: Sequence[Row] = ()
    more: Sequence[Row] = ()
    attributes: Sequence[Row] | None = None

    @property
    def many(self) -> bool:
        """Whether `values` takes long."""
        return len(self.rows) + len(self.phones) + len(self.more) > _MANY_ROWS

    def values(self) -> Seen | None:
        """By field, in the form in which they are compared, under `attributes.` the names that there are; None = no
        lead came. Pure.
        """
        if not self.any_lead:
            return None
        found: dict[str, set[str]] = {}
        for field, value in self.rows:
            found.setdefault(field, set()).add(fold(value))
        if self.asked:
            found |= self._more_values()
        return {field: frozenset(values) for field, values in found.items()}

    def _more_values(self) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {name: set() for name in self.asked}
        if PHONE_REGION in self.asked:
            found[PHONE_REGION] = {fold(region) for row in self.phones if (region := phone_region(row[0])) is not None}
        names = _attributes_in(self.asked)
        for place, value in self.more:
            field = names[place - 1] if place else COMPANY
            said = json_value_text(value) if place else value
            found[field].add(comparable(field, said))
            found.setdefault(field + BEGINS, set()).add(beginning_form(field)(said))
        if self.attributes is not None:
            found[ATTRIBUTES] = {row[0] for row in self.attributes}
        return found


def _attributes_in(asked: Sequence[str]) -> list[str]:
    return [name for name in asked if name.startswith(ATTRIBUTES)]


async def values_seen(conn: Connection, tenant_id: int, ruleset: Ruleset) -> SeenRows:
    """Of the fields that rules match on."""
    fields = sorted({condition.field for rule in ruleset.rules for condition in rule.match.facts})
    if not fields:
        return SeenRows()
    since = timedelta(days=DAYS_SEEN)
    if not await _SQL.any_lead.value(conn, tenant_id=tenant_id, since=since):
        return SeenRows(any_lead=False)
    rows = await _SQL.values_seen.fetch(conn, tenant_id=tenant_id, fields=fields, since=since, limit=_VALUES_LIMIT)
    asked = asked_of(ruleset.rules)
    if not asked:
        return SeenRows(rows=rows)
    of = {"tenant_id": tenant_id, "since": since}
    phones = await _SQL.phones_seen.fetch(conn, limit=_LEADS_LOOKED_AT, **of) if PHONE_REGION in asked else ()
    bare = [name.removeprefix(ATTRIBUTES) for name in _attributes_in(asked)]
    more = await _SQL.more_seen.fetch(conn, with_company=COMPANY in asked, names=bare, limit=_VALUES_LIMIT, **of)
    attributes = await _SQL.attribute_names.fetch(conn, leads=_LEADS_LOOKED_AT, **of) if bare else None
    return SeenRows(rows=rows, asked=asked, phones=phones, more=more, attributes=attributes)
