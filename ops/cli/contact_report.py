"""What an import says of contacts that could not be read."""

from collections.abc import Iterator

from ops.documents.import_notes import NO_REGION, lacks_region
from router.domain.text import visible
from router.intake.contact_counts import ContactCounts
from router.intake.normalise import LeadReader

_WHAT = {
    "phone": "valid phone numbers",
    "email": "e-mail addresses of a person",
    "customer_id": "ids of a customer",
}


def unreadable_lines(contacts: ContactCounts, reader: LeadReader) -> Iterator[str]:
    """For people: a line for each field, with examples."""
    for name, column in contacts.unreadable().items():
        source = reader.column_of(name)
        label = name if source == name else f"{name} (column {source})"
        what = f"{column.unreadable:,} of {column.given:,} are not {_WHAT[name]}"
        yield f"{label}: {what}; kept as text, not used to find the customer"
        yield "  e.g. " + "; ".join(f"line {one.line}: {visible(one.text)}" for one in column.examples)
        if lacks_region(name, contacts, reader):
            yield f"  {NO_REGION}"
