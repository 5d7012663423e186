"""How many contacts of a file could not be read, by field, with examples: they are kept as text, tie nobody. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from router.domain.lead_in import LeadIn
from router.intake.contacts import CONTACTS

EXAMPLES = 3
_SHOWN = 60


class Example(NamedTuple):
    """A text that could not be read, shortened, and its line in the file."""

    line: int
    text: str


@dataclass(slots=True)
class ContactColumn:
    """Of a field: how many rows have one, how many of these could not be read, and the first of them."""

    given: int = 0
    unreadable: int = 0
    examples: list[Example] = field(default_factory=list)


@dataclass(slots=True)
class ContactCounts:
    """By field of CONTACTS; `phones_in_digits` are unreadable phones that may only lack a country."""

    columns: dict[str, ContactColumn] = field(default_factory=lambda: {name: ContactColumn() for name in CONTACTS})
    phones_in_digits: int = 0

    def add(self, leads: Sequence[LeadIn], lines: Iterable[int]) -> None:
        """Counts leads, side by side with their lines."""
        phone, email, customer_id = (self.columns[name] for name in CONTACTS)
        phone.given += sum([lead.phone is not None for lead in leads])
        email.given += sum([lead.email is not None for lead in leads])
        customer_id.given += sum([lead.declared_customer is not None for lead in leads])
        if any(lead.malformed for lead in leads):
            for lead, line in zip(leads, lines, strict=True):
                for name in lead.malformed:
                    self._add_unreadable(name, lead, line)

    def _add_unreadable(self, name: str, lead: LeadIn, line: int) -> None:
        column = self.columns[name]
        column.unreadable += 1
        text = contact_text(lead, name)
        self.phones_in_digits += name == "phone" and text[:1].isdecimal()
        if len(column.examples) < EXAMPLES:
            column.examples.append(Example(line, text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"))

    def unreadable(self) -> dict[str, ContactColumn]:
        """The fields of which some could not be read."""
        return {name: column for name, column in self.columns.items() if column.unreadable}


def contact_text(lead: LeadIn, name: str) -> str:
    """What a lead has in a field of CONTACTS."""
    return (lead.declared_customer if name == "customer_id" else getattr(lead, name)) or ""
