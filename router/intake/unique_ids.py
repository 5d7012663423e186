"""The intake of files in which an external id is the same lead whatever its source: that was edited, then."""

from collections.abc import Sequence
from dataclasses import dataclass

from router.domain.lead_in import LeadIn
from router.intake.lead_import import Accepting, Taken
from router.rules.customers import Prepared
from router.rules.differences import Difference
from router.store.ids import hold_ids, ids_elsewhere, sources_of

_FIELDS = ("source",)


@dataclass(slots=True)
class AcceptingUniqueIds:
    """Accepts through `inner` what is new by its id alone; what is there with another source differs in that."""

    inner: Accepting

    def prepare(self, leads: Sequence[LeadIn]) -> Prepared | None:
        """Nothing: which of the leads are taken is known only when they are."""
        return None

    async def take(self, leads: Sequence[LeadIn], prepared: Prepared | None, lines: Sequence[int] = ()) -> Taken:
        conn, tenant_id = self.inner.conn, self.inner.tenant_id
        async with conn.transaction():
            await hold_ids(conn, tenant_id)
            elsewhere = await ids_elsewhere(conn, tenant_id, leads, await sources_of(conn, tenant_id))
            there = set(elsewhere) | other_source_before(leads)
            places = [place for place in range(len(leads)) if place not in there]
            taken = await self.inner.take([leads[place] for place in places], None)
        differing = [one._replace(place=places[one.place]) for one in taken.differing]
        differing += [Difference(place, _FIELDS) for place in there]
        overlaps = [one._replace(place=places[one.place]) for one in taken.overlaps]
        return taken._replace(repeated=taken.repeated + len(there), differing=sorted(differing), overlaps=overlaps)


def other_source_before(leads: Sequence[LeadIn]) -> set[int]:
    """The places of leads whose id came earlier among them, from another source."""
    first: dict[str, str] = {}
    return {place for place, lead in enumerate(leads) if first.setdefault(lead.external_id, lead.source) != lead.source}
