"""Deciding one lead by rules that are not in force: the roster, the loads and the clock of now; nothing is changed."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal

import msgspec

from ops.why.collect import lead_row, place_of
from ops.why.description import LeadDescription, LeadRow, Names, Place, State
from ops.why.present_state import state_now
from ops.why.questions import pool_lead
from router.domain.asked import ATTRIBUTES, COMPANY, MAX_VALUE, PHONE_REGION, json_value_text, with_more
from router.domain.engine import Engine
from router.domain.explain import explain
from router.domain.explain_parts import Explanation
from router.domain.lead import FACT_FIELDS, Facts, PoolLead
from router.domain.lead_in import LeadIn
from router.domain.matching import asked_of
from router.domain.phone_region import phone_region
from router.drain.presence import Presence, Unsure
from router.intake.normalise import LeadReader, Rejected
from router.rules.customers import customer_keys, resolve
from router.rules.file import RulesFile
from router.rules.mapping import FIELDS, FileMapping
from router.rules.reader import hint
from router.store.assignments import LeadUnknown, find_lead
from router.store.customer_merges import match_rules
from router.store.customers import known_keys
from router.store.leads import database_clock
from router.store.rates import load_rates
from router.store.roster import load_roster
from router.store.rulesets import as_in_force
from router.store.statements import Connection, load
from router.store.synonyms import load_spellings
from router.store.tenants import Tenant

_WHY = load("why")

_EXPONENT = re.compile(r"-?\d+(\.\d+)?[eE][-+]?\d+", re.ASCII)

# No lead of the database has it.
NEW_LEAD = 0


@dataclass(frozen=True, slots=True)
class Trial:
    """What the rules would do with the lead. `description` holds the lead and the names, for telling it.

    `unsure`: the rules ask for presence, and who is present is not known now. `malformed`: contacts that are none,
    which an import takes but which tie the lead to nobody.
    """

    explanation: Explanation
    description: LeadDescription
    unsure: Unsure | None
    malformed: tuple[str, ...] = ()


class UnknownFields(ValueError):
    """A lead has fields that leads do not have; `problems` has one for each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


async def try_stored(conn: Connection, presence: Presence, tenant: Tenant, rules: RulesFile, lead: str) -> Trial:
    """A lead by number or external id, as though it were decided now. Raises LeadUnknown, ZoneDiffers."""
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        found = await find_lead(conn, lead, None if lead.isdecimal() else tenant.name)
        key = {"tenant_id": found.tenant_id, "lead_id": found.lead_id}
        row = await _WHY.lead.row(conn, **key) if found.tenant_id == tenant.tenant_id else None
        if row is None:
            raise LeadUnknown(f"lead {lead} is not of tenant {tenant.name}")
        now = (await database_clock(conn)).astimezone(UTC)
        history = await _WHY.history.fetch(conn, **key, limit=1)
        record, place = lead_row(row, **key), place_of(row, history)
        return await _decided(conn, presence, tenant, rules, record, pool_lead(record, place, now), now)


async def try_new(
    conn: Connection, presence: Presence, tenant: Tenant, rules: RulesFile, row: Mapping[str, object]
) -> Trial:
    """A lead as it would arrive, by its fields; what is not given is empty.

    Raises UnknownFields: a misspelt field would leave out what was to be tried. Raises Rejected, ZoneDiffers.
    """
    _check_fields(row)
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        now = (await database_clock(conn)).astimezone(UTC)
        spellings = await load_spellings(conn, tenant.tenant_id)
        reader = LeadReader(FileMapping(), now, rules.ruleset.default_phone_region, spellings)
        lead = reader.read({"external_id": "trial", **row})
        facts = with_more(Facts.of(getattr(lead, name) or None for name in FACT_FIELDS), _more(lead, rules))
        created_at = lead.created_at or now
        customer = await _customer(conn, tenant.tenant_id, lead)
        record = LeadRow(
            tenant_id=tenant.tenant_id,
            tenant=tenant.name,
            time_zone=tenant.time_zone,
            lead_id=NEW_LEAD,
            source=lead.source,
            external_id=lead.external_id,
            created_at=created_at,
            received_at=now,
            priority=lead.priority,
            customer_id=customer,
            facts=facts,
        )
        arrived = PoolLead(NEW_LEAD, -lead.priority, now, created_at, facts, customer)
        trial = await _decided(conn, presence, tenant, rules, record, arrived, now)
        return replace(trial, malformed=tuple(sorted(lead.malformed)))


def _more(lead: LeadIn, rules: RulesFile) -> Iterator[tuple[str, str]]:
    """What the lead says in the fields that the rules ask for beyond those of the pool, as the store would read it."""
    attributes = msgspec.json.decode(lead.attributes or "{}", type=dict[str, msgspec.Raw])
    for name in asked_of(rules.ruleset.rules):
        if name == COMPANY:
            said = lead.company
        elif name == PHONE_REGION:
            said = phone_region(lead.phone) if lead.phone else None
        else:
            raw = bytes(attributes.get(name.removeprefix(ATTRIBUTES), b"null")).decode().strip()
            text = msgspec.json.decode(raw) if raw.startswith('"') else json_value_text(_written_out(raw))
            said = None if raw == "null" else text
        if said and said.strip():
            yield name, said[: MAX_VALUE + 1]


def _written_out(raw: str) -> str:
    """A JSON number without its exponent, as the database has it; whatever else it is, as it is."""
    if not _EXPONENT.fullmatch(raw):
        return raw
    number = Decimal(raw)
    return f"{number:f}" if abs(number.adjusted()) <= MAX_VALUE else raw


def _check_fields(row: Mapping[str, object]) -> None:
    """What an import may find in a file, and nobody means who writes one lead by hand."""
    if unknown := [name for name in row if name not in FIELDS]:
        raise UnknownFields([f"{name}: unknown field{hint(name, FIELDS)}" for name in unknown])
    created = row.get("created_at")
    if isinstance(created, str) and _has_no_offset(created.strip()):
        raise Rejected("created_at", f"{created!r} has no offset; add one, as in 2026-03-02T09:30:00+08:00, or Z")


def _has_no_offset(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is None
    except ValueError:
        # The reader says better what is wrong with it.
        return False


async def _customer(conn: Connection, tenant_id: int, lead: LeadIn) -> int | None:
    """The customer that the lead would belong to; None where that is a new one, or nobody."""
    rules = await match_rules(conn, tenant_id)
    keys = customer_keys(lead, rules)
    known = await known_keys(conn, tenant_id, sorted(key.name for key in keys))
    customer = resolve([keys], known, rules.shared_above).customers[0]
    return customer if customer is not None and customer > 0 else None


async def _decided(
    conn: Connection,
    presence: Presence,
    tenant: Tenant,
    rules: RulesFile,
    record: LeadRow,
    lead: PoolLead,
    now: datetime,
) -> Trial:
    engine = await _engine(conn, tenant, rules)
    state = await state_now(conn, presence, (tenant.tenant_id, tenant.name), engine, lead, now)
    names = Names(
        {rep.no: (rep.rep_id, rep.name) for rep in engine.roster.reps},
        engine.roster.group_names,
        tuple(rule.name for rule in engine.rules),
        engine.ruleset.version,
    )
    description = LeadDescription(now, record, Place(State.WAITING, lead.queued_at, rank=lead.rank), names, ())
    return Trial(explain(engine, state.inputs, lead.lead_id), description, presence.unsure(tenant.tenant_id))


async def _engine(conn: Connection, tenant: Tenant, rules: RulesFile) -> Engine:
    """The given rules beside the roster and the rates in force."""
    roster = await load_roster(conn, tenant.tenant_id, tenant.roster)
    ruleset, roster = await as_in_force(conn, tenant.tenant_id, rules, roster, tenant.ruleset + 1)
    return Engine(roster, ruleset, await load_rates(conn, tenant.tenant_id, tenant.rates))
