"""What an import says of contacts that could not be read."""

from collections.abc import Iterator
from typing import Any

from router.domain.text import visible
from router.intake.contact_counts import ContactCounts
from router.intake.normalise import LeadReader

_WHAT = {
    "phone": "valid phone numbers",
    "email": "e-mail addresses of a person",
    "customer_id": "ids of a customer",
}
NO_REGION = (
    "numbers without a country code cannot be read: set default_phone_region (such as CN or DE) in the mapping or the "
    "rules"
)


def unreadable_document(contacts: ContactCounts, reader: LeadReader) -> dict[str, Any]:
    """For `--json`: by field, what could not be read; nothing where all was."""
    return {
        name: {
            "column": reader.column_of(name),
            "given": column.given,
            "unreadable": column.unreadable,
            "examples": [one._asdict() for one in column.examples],
            **({"hint": NO_REGION} if _lacks_region(name, contacts, reader) else {}),
        }
        for name, column in contacts.unreadable().items()
    }


def unreadable_lines(contacts: ContactCounts, reader: LeadReader) -> Iterator[str]:
    """For people: a line for each field, with examples."""
    for name, column in contacts.unreadable().items():
        source = reader.column_of(name)
        label = name if source == name else f"{name} (column {source})"
        what = f"{column.unreadable:,} of {column.given:,} are not {_WHAT[name]}"
        yield f"{label}: {what}; kept as text, not used to find the customer"
        yield "  e.g. " + "; ".join(f"line {one.line}: {visible(one.text)}" for one in column.examples)
        if _lacks_region(name, contacts, reader):
            yield f"  {NO_REGION}"


def _lacks_region(name: str, contacts: ContactCounts, reader: LeadReader) -> bool:
    return name == "phone" and reader.phone_region is None and contacts.phones_in_digits > 0
