"""What the stall watch remembers between two looks: since when each condition has held. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from ops.stalls.stall import STANDING_STILL, Key, Stall, Topic


@dataclass(slots=True)
class Watched:
    """By tenant: since when (UTC) each condition has held, look after look."""

    _since: dict[int, dict[Key, datetime]] = field(default_factory=dict)
    _stuck_from: dict[int, dict[str, datetime]] = field(default_factory=dict)

    def begun(self, tenant_id: int, opened: Mapping[Key, datetime]) -> dict[Topic, datetime]:
        """Since when each topic's condition has held; of those that have an open stall, since when that says."""
        known = {**self._since.get(tenant_id, {}), **opened}
        return {topic: at for (topic, subject), at in known.items() if not subject}

    def stuck_from(self, tenant_id: int, reasons: Iterable[str], now: datetime) -> Mapping[str, datetime]:
        """Since when leads have been stuck for each reason; without those that were there in the first look already."""
        before = self._stuck_from.get(tenant_id)
        self._stuck_from[tenant_id] = {
            reason: datetime.min.replace(tzinfo=UTC) if before is None else before.get(reason, now)
            for reason in reasons
        }
        return self._stuck_from[tenant_id]

    def lasting(
        self, tenant_id: int, stalls: Sequence[Stall], now: datetime, after: timedelta, opened: Mapping[Key, datetime]
    ) -> list[tuple[Stall, datetime]]:
        """Those of `stalls` that have lasted for `after`, or are open already, each with its beginning.

        What is judged by many leads and hours, as a rule's share, has lasted when it shows.
        """
        before = self._since.get(tenant_id, {})
        since = {stall.key: opened.get(stall.key, before.get(stall.key, now)) for stall in stalls}
        self._since[tenant_id] = since
        found = []
        for stall in stalls:
            lasts = now - since[stall.key] >= after or stall.key[0] not in STANDING_STILL
            if lasts or stall.key in opened:
                found.append((stall, since[stall.key]))
        return found
