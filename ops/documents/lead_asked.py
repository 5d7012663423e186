"""What one lead waits for, for the doctor who is asked about it."""

from dataclasses import dataclass
from typing import Any

from ops.doctor.concerning import Lead
from ops.text.translation import translator
from ops.why.collect import why
from ops.why.description import LeadDescription, State
from ops.why.summary import summary
from router.domain.reason import Reason
from router.domain.targets import read_targets
from router.drain.presence import Presence
from router.rules.problems import InvalidFile
from router.store.assignments import FoundLead
from router.store.statements import Connection
from router.store.tenants import all_tenants


@dataclass(frozen=True, slots=True)
class LeadAsked:
    """The lead that the doctor was asked about: its state, and in one line why it is where it is."""

    about: Lead
    state: str
    line: str

    def document(self) -> dict[str, Any]:
        """For machines."""
        reason = None if self.about.reason is None else str(self.about.reason)
        who = {"number": self.about.lead_id, "tenant": self.about.tenant}
        return {**who, "state": self.state, "reason": reason, "summary": self.line}


async def ask_about(conn: Connection, presence: Presence, found: FoundLead) -> LeadAsked:
    """Reads it. Raises LeadUnknown."""
    try:
        description = await why(conn, found, presence=presence, most_changes=0)
    except InvalidFile:
        return await _unreadable(conn, found)
    waits = description.place.state is State.WAITING
    about = Lead(found.lead_id, description.lead.tenant, waits, _reason(description), _names(description))
    line = f"{summary(description, translator('en'))} (times in {description.lead.time_zone})"
    return LeadAsked(about, description.place.state.value, line)


async def _unreadable(conn: Connection, found: FoundLead) -> LeadAsked:
    """The lead of a tenant whose rules are of a later release: a finding says so."""
    [name] = [one.name for one in await all_tenants(conn) if one.tenant_id == found.tenant_id]
    line = "the rules or the roster of its tenant cannot be read by this version"
    return LeadAsked(Lead(found.lead_id, name, waits=True), "unknown", line)


def _reason(description: LeadDescription) -> Reason | None:
    place, turn = description.place, description.turn
    if turn is not None and turn.paused_until is not None:
        return Reason.PAUSED
    if turn is not None and turn.no_ruleset:
        return Reason.NO_MATCHING_RULE
    if description.busy is not None:
        return Reason.DATABASE_BUSY
    return place.reason if description.present is None else description.present.reason


def _names(description: LeadDescription) -> frozenset[str]:
    """The groups, owners and rules that it waits for, or by which it was given."""
    names, place = description.names, description.place
    targets = read_targets(place.targets)
    groups = {names.group(number) for number in targets.groups}
    reps = {names.reps[number][0] for number in (*targets.owners, place.rep_no) if number in names.reps}
    rules = {rule for kind, number in targets.order if kind == "w" for rule in names.rules[number : number + 1]}
    if place.group_no is not None:
        groups.add(names.group(place.group_no))
    return frozenset(groups | reps | rules)
