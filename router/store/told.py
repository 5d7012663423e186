"""What leads say beyond what the lead pool holds: read for the rulesets that ask for it, and for no others."""

from collections.abc import Sequence

from router.domain.asked import ATTRIBUTES, COMPANY, PHONE_REGION, told_json, with_more
from router.domain.lead import PoolLead, Told
from router.domain.phone_region import phone_region
from router.store.statements import Connection, load

_SQL = load("told")


async def read_told(conn: Connection, tenant_id: int, lead_ids: Sequence[int], asked: Sequence[str]) -> dict[int, Told]:
    """Of the leads that are there, what they say in the fields `asked` for (`matching.asked_of`)."""
    names = [name.removeprefix(ATTRIBUTES) for name in asked if name.startswith(ATTRIBUTES)]
    also = {"with_company": COMPANY in asked, "with_phone": PHONE_REGION in asked}
    rows = await _SQL.told.fetch(conn, tenant_id=tenant_id, lead_ids=list(lead_ids), names=names, **also)
    return {lead_id: _told(names, *said) for lead_id, *said in rows}


async def with_told(
    conn: Connection, tenant_id: int, leads: Sequence[PoolLead], asked: Sequence[str]
) -> list[PoolLead]:
    """The leads with what they say in the fields `asked` for; where nothing is asked for, as they are."""
    if not asked or not leads:
        return list(leads)
    told = await read_told(conn, tenant_id, [lead.lead_id for lead in leads], asked)
    return [lead._replace(facts=with_more(lead.facts, told.get(lead.lead_id, ()))) for lead in leads]


def _told(names: Sequence[str], company: str | None, phone: str | None, attributes: Sequence[str | None]) -> Told:
    """An empty text says nothing."""
    found = [(COMPANY, company)] if company and company.strip() else []
    if phone and (region := phone_region(phone)) is not None:
        found.append((PHONE_REGION, region))
    said = ((f"{ATTRIBUTES}{name}", told_json(value)) for name, value in zip(names, attributes, strict=True) if value)
    return tuple(sorted([*found, *((name, value) for name, value in said if value.strip())]))
