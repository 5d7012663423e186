"""Customers and their merges for machines. The keys stay as they are: scripts read them."""

from typing import Any

from router.manual.merge_customers import Moved
from router.rules.match_rules import MatchRules
from router.store import customer_merges as store
from router.store.customer_merges import CustomerLead, Merge
from router.store.statements import Connection


async def customer_document(conn: Connection, tenant_id: int, customer_id: int) -> dict[str, Any]:
    """A customer with its leads, its owner, and the merges in which it took part."""
    leads = await store.leads_of(conn, tenant_id, (customer_id,))
    merges = await store.merges_of(conn, tenant_id, customer_id)
    keys = await store.keys_of(conn, tenant_id, (customer_id,))
    owner = await store.owner_of(conn, tenant_id, customer_id)
    names = await store.rep_ids(conn, tenant_id, [owner, *(lead.rep_no for lead in leads)])
    return {
        "customer_id": customer_id,
        "part_of": next((m.into_customer_id for m in merges if m.customer_id == customer_id and not m.parted_at), None),
        "owner": names.get(owner) if owner else None,
        "keys": len(keys),
        "leads": [lead_document(lead, names) for lead in leads],
        "merges": [merge_document(merge) for merge in merges],
    }


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


def owner_text(rep_id: str | None) -> str:
    """Whose customer it is."""
    return f"owned by rep {rep_id}" if rep_id else "has no owner"
