"""Events in plain words: what happened, to whom. Pure."""

from collections.abc import Mapping
from typing import Any

from ops.console.words import reason_words
from ops.text.translation import N_, Say
from router.outbox.event import EventType

TYPES: Mapping[str, str] = {
    EventType.ASSIGNED.value: N_("assigned"),
    EventType.REASSIGNED.value: N_("handed over"),
    EventType.RETURNED.value: N_("returned by the rep"),
    EventType.ENDED.value: N_("assignment ended"),
    EventType.PARKED.value: N_("parked"),
    EventType.UNPARKED.value: N_("sent back to the routing"),
    EventType.MERGED.value: N_("merged"),
    EventType.UNMERGED.value: N_("merge undone"),
    EventType.CUSTOMER_CHANGED.value: N_("customer changed"),
    EventType.REMOVED.value: N_("removed"),
}


def details(data: Mapping[str, Any], say: Say) -> str:
    """Who has it, by what, why: what the event says beside its lead, in the order of what matters."""
    parts = [
        _rep(data.get("rep")),
        _by(data, say),
        say.gettext("before: {rep}").format(rep=_rep(data["previous_rep"])) if data.get("previous_rep") else "",
        str(data["outcome"]) if data.get("outcome") else "",
        reason_words(data.get("reason"), say),
        say.gettext("into lead {lead}").format(lead=data["into_lead_id"]) if data.get("into_lead_id") else "",
        say.gettext("from lead {lead}").format(lead=data["from_lead_id"]) if data.get("from_lead_id") else "",
    ]
    return say.gettext(", ").join(part for part in parts if part)


def _rep(rep: Mapping[str, Any] | None) -> str:
    return "" if not rep else " ".join(str(part) for part in (rep["rep_id"], rep["name"]) if part)


def _by(data: Mapping[str, Any], say: Say) -> str:
    by = data.get("by")
    if by == "rule":
        rule = data.get("rule") or "?"
        if data.get("group"):
            return say.gettext("rule {rule}, group {group}").format(rule=rule, group=data["group"])
        return say.gettext("rule {rule}").format(rule=rule)
    return say.gettext("by hand") if by == "hand" else str(by or "")
