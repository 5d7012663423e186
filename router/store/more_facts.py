"""What leads say beyond what the lead pool holds: read for the rulesets that ask for it, and for no others."""

from collections.abc import Sequence

from router.domain.asked import ATTRIBUTES, COMPANY, PHONE_REGION, json_value_text, with_more
from router.domain.lead import MoreFacts, PoolLead
from router.domain.phone_region import phone_region
from router.store.statements import Connection, load

_SQL = load("more_facts")


async def read_more_facts(
    conn: Connection, tenant_id: int, lead_ids: Sequence[int], asked: Sequence[str]
) -> dict[int, MoreFacts]:
    """Of the leads that are there, what they say in the fields `asked` for (`matching.asked_of`)."""
    names = [name.removeprefix(ATTRIBUTES) for name in asked if name.startswith(ATTRIBUTES)]
    also = {"with_company": COMPANY in asked, "with_phone": PHONE_REGION in asked}
    rows = await _SQL.more_facts.fetch(conn, tenant_id=tenant_id, lead_ids=list(lead_ids), names=names, **also)
    return {lead_id: _more_of(names, *said) for lead_id, *said in rows}


async def with_more_facts(
    conn: Connection, tenant_id: int, leads: Sequence[PoolLead], asked: Sequence[str]
) -> list[PoolLead]:
    """The leads with what they say in the fields `asked` for; where nothing is asked for, as they are."""
    if not asked or not leads:
        return list(leads)
    more = await read_more_facts(conn, tenant_id, [lead.lead_id for lead in leads], asked)
    return [lead._replace(facts=with_more(lead.facts, more.get(lead.lead_id, ()))) for lead in leads]


def _more_of(
    names: Sequence[str], company: str | None, phone: str | None, attributes: Sequence[str | None]
) -> MoreFacts:
    """An empty text says nothing."""
    found = [(COMPANY, company)] if company and company.strip() else []
    if phone and (region := phone_region(phone)) is not None:
        found.append((PHONE_REGION, region))
    said = (
        (f"{ATTRIBUTES}{name}", json_value_text(value)) for name, value in zip(names, attributes, strict=True) if value
    )
    return tuple(sorted([*found, *((name, value) for name, value in said if value.strip())]))
