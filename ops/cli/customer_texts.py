"""What the commands of `lead-router customers` print."""

from typing import Any

from ops.cli.context import console
from ops.documents.customers import owner_text
from router.domain.phrases import count
from router.domain.written_time import written


def print_customer(customer: dict[str, Any], zone_name: str) -> None:
    """A customer for people; `customer` is the document of `--json`, times in the tenant's zone."""
    out = console()
    state = f"merged into customer {customer['part_of']}" if customer["part_of"] else owner_text(customer["owner"])
    counts = f"{count(customer['keys'], 'key')}; {count(len(customer['leads']), 'lead')}"
    out.print(f"customer {customer['customer_id']}: {state}; {counts}")
    for lead in customer["leads"]:
        where = {"assigned": f"assigned to rep {lead['rep_id']}", "merged": f"merged into lead {lead['into_lead_id']}"}
        state = where.get(lead["state"], lead["state"])
        came = " ".join(filter(None, (lead["source"], lead["external_id"])))
        name = f"lead {lead['lead_id']} ({came})"
        out.print(f"  {name}, {written(lead['created_at'], zone_name)}: {state}")
    for merge in customer["merges"]:
        what = f"customer {merge['customer_id']} into {merge['into_customer_id']}"
        parted = merge["parted_at"]
        undone = f"; unmerged {written(parted, zone_name)} by {merge['parted_by']}" if parted else ""
        note = f" ({merge['note']})" if merge["note"] else ""
        out.print(
            f"  merge {merge['merge_id']}: {what}, {written(merge['merged_at'], zone_name)} "
            f"by {merge['actor']}{note}{undone}"
        )
