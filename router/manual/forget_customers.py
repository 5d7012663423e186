"""What customers were known by only through leads that are removed, or that say something else now, is forgotten.

Else a wrong mapping would go on after its leads were taken back: their contacts would go on tying strangers.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence

from router.domain.lead_in import LeadIn
from router.rules.customers import customer_keys
from router.rules.match_rules import MatchRules
from router.store.customer_merges import leads_of, match_rules
from router.store.imports import forget_keys, stored_keys, take_people
from router.store.statements import Connection

Marks = dict[str, set[int]]


async def forget_keys_of(
    conn: Connection, tenant_id: int, gone: Sequence[LeadIn], customers: Collection[int], without: Collection[int] = ()
) -> None:
    """`gone` are leads of these customers that are no more, or what they said before; `without` (lead ids) are not to
    be counted among those that are left. The caller holds the customers' keys.

    A key that too many people share is forgotten only where nobody else has come with it.
    """
    rules = await match_rules(conn, tenant_id)
    brought = _marks(gone, rules)
    if not brought:
        return
    there = await stored_keys(conn, tenant_id, sorted(brought))
    whose = {one.customer_id for one in there if one.customer_id is not None} | set(customers)
    leads = await leads_of(conn, tenant_id, sorted(whose)) if whose else []
    left = _marks([one.came for one in leads if one.lead_id not in without], rules)
    forgotten, marks = list[str](), dict[str, set[int]]()
    for one in there:
        mine, others = brought[one.key], one.people - brought[one.key]
        if one.is_shared:
            if not others and one.key not in left:
                forgotten.append(one.key)
        elif one.key not in left and one.customer_id in customers:
            forgotten.append(one.key)
        elif less := mine - left.get(one.key, set()):
            marks[one.key] = less
    await forget_keys(conn, tenant_id, forgotten)
    await take_people(conn, tenant_id, marks)


def _marks(leads: Sequence[LeadIn], rules: MatchRules) -> Marks:
    """The keys of leads, with the marks of who they say that they are."""
    found: Marks = defaultdict(set)
    for lead in leads:
        for key in customer_keys(lead, rules):
            found[key.name] |= key.people
    return found
