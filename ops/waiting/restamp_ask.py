"""What is asked of `leads restamp`, and as which command: also for the finding that prints it."""

import shlex
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from router.domain.shift import shift_words
from router.store.tenants import Tenant


@dataclass(frozen=True, slots=True)
class Ask:
    """Which leads, by how much: of a source ("" = of none), accepted since a time (UTC, None = ever); `again` = also
    those whose time was corrected before.
    """

    tenant: Tenant
    source: str
    shift: timedelta
    since: datetime | None = None
    again: bool = False

    def command(self, why: str, *, dry_run: bool = False) -> str:
        """The command, as it can be pasted into a shell."""
        words = [f"--tenant={self.tenant.name}", f"--source={self.source}", f"--shift={shift_words(self.shift)}"]
        words += [] if self.since is None else [f"--since={self.since.astimezone(UTC).isoformat()}"]
        words += ["--again"] * self.again + ["--dry-run"] * dry_run
        return shlex.join(["lead-router", "leads", "restamp", *words, "--why", why])
