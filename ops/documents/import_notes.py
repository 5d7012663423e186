"""What an import found that a person should look at, for machines and for pages."""

from typing import Any

from router.intake.contact_counts import ContactCounts
from router.intake.customer_notes import CustomerNotes
from router.intake.key_book import FIRST_NEW
from router.intake.normalise import LeadReader
from router.intake.repeat_book import WouldRepeat
from router.store.ids import SameIds

NO_REGION = (
    "numbers without a country code cannot be read: set default_phone_region (such as CN or DE) in the mapping or the "
    "rules"
)


def unreadable_document(contacts: ContactCounts, reader: LeadReader) -> dict[str, Any]:
    """By field, what could not be read; nothing where all was."""
    return {
        name: {
            "column": reader.column_of(name),
            "given": column.given,
            "unreadable": column.unreadable,
            "examples": [one._asdict() for one in column.examples],
            **({"hint": NO_REGION} if lacks_region(name, contacts, reader) else {}),
        }
        for name, column in contacts.unreadable().items()
    }


def lacks_region(name: str, contacts: ContactCounts, reader: LeadReader) -> bool:
    """Whether numbers of this field cannot be read since no country is named."""
    return name == "phone" and reader.phone_region is None and contacts.phones_in_digits > 0


def customers_document(notes: CustomerNotes) -> dict[str, Any]:
    """The first of each, and how many there are."""
    return {
        "shared_keys": notes.sharing,
        "shared": [one._asdict() for one in notes.shared],
        **overlaps_document(notes),
    }


def overlaps_document(notes: CustomerNotes) -> dict[str, Any]:
    """Leads with contacts of two customers."""
    return {
        "overlapping": notes.overlapping,
        "overlaps": [
            {
                "line": line,
                "source": lead.source,
                "external_id": lead.external_id,
                "customer_id": known_customer(one.customer),
                "key": f"{one.kind} {one.value}".replace("\0", " + "),
                "other_customer_id": known_customer(one.other),
            }
            for line, lead, one in notes.overlaps
        ],
    }


def known_customer(customer: int) -> int | None:
    """The number of a customer that is stored; None = one that an import would make."""
    return customer if customer < FIRST_NEW else None


def same_ids_document(found: SameIds) -> dict[str, Any]:
    """How many, and the first of them."""
    return {"same_ids": found.count, "same_id": [one._asdict() for one in found.named]}


def repeats_document(found: WouldRepeat) -> list[dict[str, Any]]:
    """The first leads that would be merged."""
    return [one._asdict() for one in found.examples]
