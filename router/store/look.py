"""What a few leads that are thought to be new need to know from the database before they are stored, in one answer."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from router.domain.lead_in import LeadIn
from router.rules.customers import Known, Prepared, customer_keys
from router.rules.match_rules import parse_stored_match_rules
from router.store.customers import known_of, names_of
from router.store.statements import Connection, load

_SQL = load("look")


class Looked(NamedTuple):
    """Whether the tenant is there, its match rules as stored (None = none), the time by the database's clock; numbers
    for the leads and as many customers, ascending; those that are not needed are lost. Whether some of the leads are
    there, or some of the tenant's are archived.

    `prepared` are the keys of the leads' customers by the rules that were thought to hold, `known` is what is known of
    them (None = other rules hold).
    """

    is_there: bool
    match_rules: str | None
    moment: datetime
    lead_ids: Sequence[int]
    customer_ids: Sequence[int]
    any_stored: bool
    any_archived: bool
    prepared: Prepared
    known: Mapping[str, Known] | None


async def look(conn: Connection, tenant_id: int, leads: Sequence[LeadIn], match_rules: str | None) -> Looked:
    """To be asked first, in a transaction of `leads.steady`. `match_rules` are those that held the last time."""
    rules = parse_stored_match_rules(match_rules or "")
    keys = [customer_keys(lead, rules) for lead in leads]
    names = names_of(keys)
    row = await _SQL.look.row(
        conn,
        tenant_id=tenant_id,
        numbers=len(leads),
        sources=[lead.source for lead in leads],
        external_ids=[lead.external_id for lead in leads],
        keys=names,
    )
    assert row is not None
    return Looked(
        row["is_there"],
        row["match_rules"],
        row["moment"],
        row["lead_ids"],
        row["customer_ids"],
        bool(row["stored"]),
        row["any_archived"],
        Prepared(rules, keys),
        known_of(names, row["known"]) if row["match_rules"] == match_rules else None,
    )
