"""Changes for machines. The keys stay as they are: scripts read them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime

from router.store.change_log import Entry


def document(
    entries: Sequence[Entry], names: Mapping[int, str], first: datetime, last: datetime, *, more: bool
) -> dict[str, object]:
    """The JSON document; `names` of tenants by number, `more` = there were more than these."""
    rows = []
    for entry in entries:
        row = asdict(entry)
        del row["tenant_id"]
        rows.append({"tenant": names.get(entry.tenant_id), **row, "at": entry.at.isoformat()})
    return {"since": first.isoformat(), "until": last.isoformat(), "more": more, "changes": rows}
