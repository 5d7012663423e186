"""Who is the customer of a lead: by declared id, then phone, then e-mail. Pure; the store keeps the keys."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from router.domain.lead_in import LeadIn


def _key(kind: str, value: str) -> str:
    return blake2b(f"{kind}\0{value}".encode(), digest_size=16).hexdigest()


def customer_keys(lead: LeadIn) -> tuple[str, ...]:
    """The lead's keys in their precedence, 32 hexadecimal digits each; malformed contacts give none."""
    keys = []
    if lead.declared_customer:
        keys.append(_key("declared", lead.declared_customer))
    if lead.phone and "phone" not in lead.malformed:
        keys.append(_key("phone", lead.phone))
    if lead.email and "email" not in lead.malformed:
        keys.append(_key("email", lead.email))
    return tuple(keys)


@dataclass(frozen=True, slots=True)
class Resolution:
    """`customers`: one per lead, None = no keys. `keys`: the customer of every key of the batch.

    Customers that are new have the numbers -1 … -`new`, until `numbered` gives them their own.
    """

    customers: tuple[int | None, ...]
    keys: Mapping[str, int]
    new: int

    def numbered(self, ids: Sequence[int]) -> "Resolution":
        """With `ids[0]` for customer -1 and so on; takes `new` ids and ignores the rest."""
        customers = tuple(ids[-c - 1] if c is not None and c < 0 else c for c in self.customers)
        keys = {key: ids[-c - 1] if c < 0 else c for key, c in self.keys.items()}
        return Resolution(customers, keys, 0)


def resolve(leads: Iterable[tuple[str, ...]], known: Mapping[str, int]) -> Resolution:
    """The customer of each lead, in order: that of its first known key; its other keys become theirs too.

    `leads` are the keys of each lead, in precedence; `known` the customers of keys that are stored. A key
    keeps its customer: a lead with keys of two customers belongs to the one that its first known key names.
    """
    owner = dict(known)
    customers: list[int | None] = []
    used: dict[str, int] = {}
    new = 0
    for keys in leads:
        customer = next((owner[key] for key in keys if key in owner), None)
        if customer is None and keys:
            new += 1
            customer = -new
        for key in keys:
            used[key] = owner.setdefault(key, customer or 0)
        customers.append(customer)
    return Resolution(tuple(customers), used, new)
