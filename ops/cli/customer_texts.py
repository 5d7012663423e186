"""What the commands of `lead-router customers` print."""

from datetime import UTC, datetime
from typing import Any

from ops.cli.context import console
from ops.documents.customers import owner_text
from router.domain.phrases import count


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


def moment(at: datetime) -> str:
    """A time to the minute."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
