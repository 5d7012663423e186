"""Which customer is meant by a text: our number, the CRM's customer id, a phone or an e-mail address."""

from collections.abc import Sequence
from dataclasses import dataclass

from ops.documents.customers import owner_text
from router.domain.phone_spellings import spellings
from router.domain.phrases import count
from router.intake.emails import read_email
from router.intake.phones import PhoneReader
from router.rules.customers import key_name
from router.store import customer_merges as store
from router.store.customer_merges import CustomerUnknown
from router.store.rulesets import load_ruleset
from router.store.statements import Connection
from router.store.tenants import Tenant

NUMBER, CRM_ID, PHONE, EMAIL = BY = ("number", "crm-id", "phone", "email")
_KINDS = {CRM_ID: "customer_id", PHONE: "phone", EMAIL: "email"}
_WHAT = {
    NUMBER: "a lead-router customer number",
    CRM_ID: "the CRM's customer id",
    PHONE: "a phone",
    EMAIL: "an e-mail address",
}
# Beyond it the database has no numbers.
_MAX_DIGITS = 18


@dataclass(frozen=True, slots=True)
class _Reading:
    """One way to read a text; `value` is how the database knows it, `customer_id` None = nobody is known so."""

    by: str
    value: str
    customer_id: int | None = None
    shared: bool = False


async def customer_named(conn: Connection, tenant: Tenant, text: str, by: str | None) -> int:
    """The customer that `text` names, read in each way that makes sense, or in the one way `by` (of BY).

    A phone is read as the tenant's rules say. Raises CustomerUnknown, also when several customers could be meant.
    """
    text = text.strip()
    readings = [await _look(conn, tenant, one) for one in await _readings(conn, tenant, text, by)]
    found = {one.customer_id for one in readings if one.customer_id is not None}
    if len(found) > 1:
        raise CustomerUnknown(await _which(conn, tenant, text, readings))
    if not found:
        raise CustomerUnknown(_not_found(tenant, text, readings, by))
    return found.pop()


async def _readings(conn: Connection, tenant: Tenant, text: str, by: str | None) -> Sequence[_Reading]:
    number = text if text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS else None
    values = {
        NUMBER: number,
        CRM_ID: text,
        PHONE: PhoneReader(await _phone_region(conn, tenant)).read(text) if "@" not in text else None,
        EMAIL: (read_email(text) or text.lower()) if "@" in text else None,
    }
    return [_Reading(kind, value) for kind, value in values.items() if value and by in (None, kind)]


async def _phone_region(conn: Connection, tenant: Tenant) -> str | None:
    """The country in which the tenant dials numbers without a country code."""
    if not tenant.ruleset:
        return None
    return (await load_ruleset(conn, tenant.tenant_id, tenant.ruleset)).default_phone_region


async def _look(conn: Connection, tenant: Tenant, reading: _Reading) -> _Reading:
    """The reading with whom it finds."""
    if reading.by == NUMBER:
        number = int(reading.value)
        there = await store.knows_customer(conn, tenant.tenant_id, number)
        return _Reading(NUMBER, reading.value, number if there else None)
    values = spellings(reading.value) if reading.by == PHONE else (reading.value,)
    found = _Reading(reading.by, reading.value)
    for value in values:
        key = key_name(_KINDS[reading.by], value)
        customer, shared = await store.customer_of_key(conn, tenant.tenant_id, key)
        found = _Reading(reading.by, reading.value, customer, shared or found.shared)
        if customer is not None:
            break
    return found


async def _which(conn: Connection, tenant: Tenant, text: str, readings: Sequence[_Reading]) -> str:
    """What each reading would be, and how to say which."""
    lines = [f"{text!r} matches several customers of tenant {tenant.name}; choose one with --by:"]
    for one in readings:
        if one.customer_id is None:
            continue
        leads = await store.leads_of(conn, tenant.tenant_id, (one.customer_id,))
        owner = await store.owner_of(conn, tenant.tenant_id, one.customer_id)
        names = await store.rep_ids(conn, tenant.tenant_id, [owner])
        whose = owner_text(names.get(owner or 0))
        lines.append(
            f"  --by {one.by}: customer {one.customer_id}, {count(len(leads), 'lead')}, {whose} ({_WHAT[one.by]})"
        )
    return "\n".join(lines)


def _not_found(tenant: Tenant, text: str, readings: Sequence[_Reading], by: str | None) -> str:
    """How the text was read, and what to do."""
    shared = [one for one in readings if one.shared]
    if shared:
        of = f"lead-router customers shared --tenant {tenant.name}"
        return (
            f"{shared[0].by} {shared[0].value} is shared by too many people, so it is not used for matching; see {of}"
        )
    if not readings:
        hint = "; give a phone with its country code (+86...), or default_phone_region in the rules"
        return f"{text!r} cannot be {_WHAT[by or CRM_ID]}{hint if by == PHONE else ''}"
    tried = " or ".join(f"{_WHAT[one.by]} ({one.value})" for one in readings)
    return (
        f"tenant {tenant.name} has no customer {text!r}, read as {tried}; lead-router why LEAD shows the number of a "
        f"lead's customer, and lead-router customers rules how leads are matched"
    )
