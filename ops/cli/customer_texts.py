"""What the commands of `lead-router customers` print."""

from datetime import UTC, datetime
from typing import Any

from ops.cli.context import console
from router.manual.merge_customers import Moved
from router.rules.match_rules import MatchRules
from router.store.customer_merges import CustomerLead, Merge


def described(in_force: MatchRules) -> dict[str, Any]:
    """The rules as documents show them."""
    return {
        "match_on": ["+".join(tie) for tie in in_force.match_on],
        "shared_above": in_force.shared_above,
        "ignore": list(in_force.ignore),
        "free_mail": sorted(in_force.free_mail),
    }


def moved(done: Moved) -> dict[str, Any]:
    """What a merge or a parting did."""
    return {
        "merge_id": done.merge_id,
        "customer_id": done.customer_id,
        "into_customer_id": done.into_customer_id,
        "leads": done.leads,
        "keys": done.keys,
        "decided_again": done.woken,
    }


def lead_told(lead: CustomerLead, names: dict[int, str]) -> dict[str, Any]:
    """One lead of a customer; `names` has the ids of reps by number."""
    return {
        "lead_id": lead.lead_id,
        "source": lead.came.source,
        "external_id": lead.came.external_id,
        "created_at": lead.came.created_at,
        "state": lead.state,
        "rep_id": names.get(lead.rep_no or 0),
        "into_lead_id": lead.into_lead_id,
    }


def merge_told(merge: Merge) -> dict[str, Any]:
    """The record of a merge."""
    told = (
        "merge_id",
        "merged_at",
        "actor",
        "note",
        "customer_id",
        "into_customer_id",
        "parted_at",
        "parted_by",
        "parted_note",
    )
    return {name: getattr(merge, name) for name in told} | {"leads": len(merge.leads), "keys": len(merge.keys)}


def print_customer(customer: dict[str, Any]) -> None:
    """A customer for people; `customer` is the document of `--json`."""
    out = console()
    whose = f"rep {customer['owner']} has it" if customer["owner"] else "nobody has it"
    if customer["part_of"]:
        whose = f"part of customer {customer['part_of']}"
    out.print(
        f"customer {customer['customer_id']}: {whose}; known by {customer['keys']} keys; {len(customer['leads'])} leads"
    )
    for lead in customer["leads"]:
        where = {"assigned": f"assigned to rep {lead['rep_id']}", "merged": f"merged into lead {lead['into_lead_id']}"}
        state = where.get(lead["state"], lead["state"])
        came = " ".join(filter(None, (lead["source"], lead["external_id"])))
        name = f"lead {lead['lead_id']} ({came})"
        out.print(f"  {name}, {_moment(lead['created_at'])}: {state}")
    for merge in customer["merges"]:
        what = f"customer {merge['customer_id']} became part of {merge['into_customer_id']}"
        parted = f"; parted {_moment(merge['parted_at'])} by {merge['parted_by']}" if merge["parted_at"] else ""
        said = f" ({merge['note']})" if merge["note"] else ""
        out.print(
            f"  merge {merge['merge_id']}: {what}, {_moment(merge['merged_at'])} by {merge['actor']}{said}{parted}"
        )


def _moment(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
