"""What checks look at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ops.waiting.waiting import Waiting
from router.drain.presence import Presence
from router.store.connections.server_capacity import ServerCapacity
from router.store.statements import Connection
from router.store.status import LaneStatus
from router.store.tenants import Tenant


@dataclass(frozen=True, slots=True)
class Scene:
    """One snapshot at `at` (UTC), of `tenants`; what several checks need is read already, by tenant number.

    `accepted` = leads, `states` = how many of them are in each state; `host_at` = the time by this host's clock (None =
    not to be compared). A check may read more over `conn`, and ask `presence` who is present.
    """

    conn: Connection
    at: datetime
    tenants: Sequence[Tenant]
    presence: Presence
    accepted: Mapping[int, int]
    states: Mapping[int, Mapping[str, int]]
    waiting: Mapping[int, Waiting]
    lanes: Mapping[int, LaneStatus]
    room: ServerCapacity
    host_at: datetime | None = None

    @property
    def tenant_ids(self) -> list[int]:
        return [tenant.tenant_id for tenant in self.tenants]
