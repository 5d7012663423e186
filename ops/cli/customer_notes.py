"""What an import says of customers that a person should look at: keys that many people share, two that may be one."""

from collections.abc import Iterator

from ops.documents.import_notes import known_customer
from router.domain.phrases import count
from router.domain.text import visible
from router.intake.customer_notes import CustomerNotes

SHOWN = 10


def customers_lines(notes: CustomerNotes, tenant: str) -> Iterator[str]:
    """For people."""
    for shared in notes.shared[:SHOWN]:
        key = visible(shared.key.replace("\0", " + "))
        yield f"{key}: at least {count(shared.people, 'different person', 'different people')}; not used for matching"
    if notes.sharing > SHOWN:
        yield f"  … and {notes.sharing - SHOWN:,} more; see lead-router customers shared --tenant {tenant}"
    yield from overlap_lines(notes, tenant)


def overlap_lines(notes: CustomerNotes, tenant: str) -> Iterator[str]:
    """For people: leads with contacts of two customers."""
    if not notes.overlapping:
        return
    yield f"{count(notes.overlapping, 'lead has', 'leads have')} contacts of two customers; if two are one, merge them:"
    for line, lead, one in notes.overlaps[:SHOWN]:
        whose, other = known_customer(one.customer), known_customer(one.other)
        what = f"belongs to {_customer(whose)}, and its {one.kind} to {_customer(other)}"
        # Only customers that are stored can be merged.
        command = f": {merge_command(whose, other, tenant)}" if whose and other else ""
        yield f"  line {line}, {visible(lead.external_id)}: {what}{command}"
    if notes.overlapping > SHOWN:
        yield f"  … and {notes.overlapping - SHOWN:,} more; --json has the first {len(notes.overlaps)}"


def merge_command(customer: int, other: int, tenant: str) -> str:
    """What makes two customers one."""
    return f"lead-router customers merge {customer} {other} --tenant {tenant}"


def _customer(number: int | None) -> str:
    return f"customer {number}" if number else "a new customer"
