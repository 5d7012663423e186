"""Who owns a customer in a replay: as the record says, except where the replay made it different."""

from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field

from router.domain.decide import Assigned, Decision, makes_owner
from router.domain.lead import PoolLead
from router.domain.ruleset import Rule


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a recorded batch says: owners (rep numbers) before it, those that it moved, and all customers in it."""

    owners: Mapping[int, int] = field(default_factory=dict)
    moved: Mapping[int, int] = field(default_factory=dict)
    customers: Set[int] = frozenset()


class Owners:
    """`own` has the customers whose owner may be another one in the replay, or who have a lead that waits (0 = nobody);
    `guessed` those of leads that were given back, until a record tells.
    """

    def __init__(self) -> None:
        self.own: dict[int, int] = {}
        self.guessed: dict[int, int] = {}
        self._there: dict[int, int] = {}

    def follow(self, record: Recorded) -> list[int]:
        """Takes over owners that the record has no longer as its last batch left them: customers were merged or parted.

        Returns those customers.
        """
        changed = [c for c in record.customers if c in self._there and record.owners.get(c, 0) != self._there[c]]
        self.own |= {customer: record.owners.get(customer, 0) for customer in changed}
        return changed

    def given(self, customer: int, rep_no: int, *, waits: bool) -> None:
        """A person gave a lead of the customer to this rep; `waits` = another lead of the customer waits."""
        if waits:
            self.own[customer] = self._there[customer] = rep_no
        else:
            self._forget(customer)

    def before(self, leads: Iterable[PoolLead], record: Recorded) -> dict[int, int]:
        """The owners (rep numbers) of the customers of these leads, for deciding about them."""
        found = {}
        for lead in leads:
            customer = lead.customer_id
            if customer is not None and (rep_no := self._owner(customer, record)):
                found[customer] = rep_no
        return found

    def after(
        self, customers: Iterable[int], record: Recorded, moved: Mapping[int, int], waiting: Collection[int]
    ) -> None:
        """Notes how a batch left the owners; `moved` = by the replay, `waiting` = customers with a lead in its pool."""
        for customer in customers:
            own = moved.get(customer) or self._owner(customer, record)
            there = record.moved.get(customer, record.owners.get(customer, 0))
            if customer in record.customers and customer not in waiting and own == there:
                self._forget(customer)
                continue
            self.own[customer] = own
            if customer in record.customers:
                self._there[customer] = there

    def _forget(self, customer: int) -> None:
        self.own.pop(customer, None)
        self._there.pop(customer, None)

    def _owner(self, customer: int, record: Recorded) -> int:
        own = self.own.get(customer)
        if own is not None:
            return own
        if customer in record.customers:
            return record.owners.get(customer, 0)
        return self.guessed.get(customer, 0)


def moved_by(leads: Iterable[PoolLead], decisions: Iterable[Decision], rules: Sequence[Rule]) -> dict[int, int]:
    """The owners (rep numbers) of customers that recorded decisions set; by hand sets them, too."""
    return {
        lead.customer_id: decision.rep_no
        for lead, decision in zip(leads, decisions, strict=True)
        if lead.customer_id is not None
        and isinstance(decision, Assigned)
        and (decision.group_no is not None or decision.rule_no is None)
        and makes_owner(decision, rules)
    }
