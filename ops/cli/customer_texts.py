"""What the commands of `lead-router customers` print."""

from datetime import UTC, datetime
from typing import Any

from ops.cli.context import console
from router.domain.phrases import count
from router.manual.merge_customers import Moved
from router.rules.match_rules import MatchRules
from router.store.customer_merges import CustomerLead, Merge


def rules_document(in_force: MatchRules) -> dict[str, Any]:
    """The rules as documents show them."""
    return {
        "match_on": ["+".join(tie) for tie in in_force.match_on],
        "shared_above": in_force.shared_above,
        "ignore": list(in_force.ignore),
        "free_mail": sorted(in_force.free_mail),
    }


def moved_document(done: Moved) -> dict[str, Any]:
    """What a merge or its undoing did."""
    return {
        "merge_id": done.merge_id,
        "customer_id": done.customer_id,
        "into_customer_id": done.into_customer_id,
        "leads": done.leads,
        "keys": done.keys,
        "decided_again": done.woken,
    }


def lead_document(lead: CustomerLead, names: dict[int, str]) -> dict[str, Any]:
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


def merge_document(merge: Merge) -> dict[str, Any]:
    """The record of a merge."""
    fields = ("merge_id", "merged_at", "actor", "note", "customer_id", "into_customer_id")
    unmerged = ("parted_at", "parted_by", "parted_note")
    return {name: getattr(merge, name) for name in fields + unmerged} | {
        "leads": len(merge.leads),
        "keys": len(merge.keys),
    }


def print_customer(customer: dict[str, Any]) -> None:
    """A customer for people; `customer` is the document of `--json`."""
    out = console()
    state = f"merged into customer {customer['part_of']}" if customer["part_of"] else owner_text(customer["owner"])
    counts = f"{count(customer['keys'], 'key')}; {count(len(customer['leads']), 'lead')}"
    out.print(f"customer {customer['customer_id']}: {state}; {counts}")
    for lead in customer["leads"]:
        where = {"assigned": f"assigned to rep {lead['rep_id']}", "merged": f"merged into lead {lead['into_lead_id']}"}
        state = where.get(lead["state"], lead["state"])
        came = " ".join(filter(None, (lead["source"], lead["external_id"])))
        name = f"lead {lead['lead_id']} ({came})"
        out.print(f"  {name}, {moment(lead['created_at'])}: {state}")
    for merge in customer["merges"]:
        what = f"customer {merge['customer_id']} into {merge['into_customer_id']}"
        undone = f"; unmerged {moment(merge['parted_at'])} by {merge['parted_by']}" if merge["parted_at"] else ""
        note = f" ({merge['note']})" if merge["note"] else ""
        out.print(
            f"  merge {merge['merge_id']}: {what}, {moment(merge['merged_at'])} by {merge['actor']}{note}{undone}"
        )


def owner_text(rep_id: str | None) -> str:
    """Whose customer it is."""
    return f"owned by rep {rep_id}" if rep_id else "has no owner"


def moment(at: datetime) -> str:
    """A time to the minute."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
