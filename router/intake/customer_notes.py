"""What an import noted of customers that a person should look at: the first of each kind, and how many there are."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from router.domain.lead_in import LeadIn
from router.intake.lead_file import Row
from router.rules.customers import Overlap, SharedKey

KEPT = 100


@dataclass(slots=True)
class CustomerNotes:
    """`overlaps` are rows with a contact of another customer than the lead's, by their lines; `shared` are keys that
    are used no more, because too many people have them.
    """

    overlaps: list[tuple[int, LeadIn, Overlap]] = field(default_factory=list)
    overlapping: int = 0
    shared: list[SharedKey] = field(default_factory=list)
    sharing: int = 0

    def add(
        self, overlaps: Sequence[Overlap], shared: Sequence[SharedKey], rows: Sequence[Row], leads: Sequence[LeadIn]
    ) -> None:
        """What a batch showed; `rows` and `leads` are the batch's."""
        for one in overlaps[: KEPT - len(self.overlaps)]:
            self.overlaps.append((rows[one.place].line, leads[one.place], one))
        self.overlapping += len(overlaps)
        self.shared += shared[: KEPT - len(self.shared)]
        self.sharing += len(shared)
