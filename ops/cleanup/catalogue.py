"""What becomes of each table in time: a pure list, for cleanup and whatever else has to visit all tables."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from router.settings.model import CleanupSettings
from router.store.jobs import KEPT_DAYS as JOBS_DAYS


class How(StrEnum):
    """`batches`, `partitions` are what cleanup does; `elsewhere` = whoever writes the rows removes them, too; `kept` =
    small, or needed for as long as the tenant is there; `with_lead` = goes with the lead that it belongs to.
    """

    BATCHES = "batches"
    PARTITIONS = "partitions"
    ELSEWHERE = "elsewhere"
    KEPT = "kept"
    WITH_LEAD = "with_lead"


@dataclass(frozen=True, slots=True)
class Table:
    """`age` = the column that says how old a row is, `days` = the setting that says how long it is kept, `fixed_days`
    where none says so, `work` = the name of its statements in cleanup.sql; `needed_by` = what reads old rows.
    """

    name: str
    how: How
    age: str = ""
    days: str = ""
    work: str = ""
    needed_by: str = ""
    fixed_days: float = 0.0


RUNS_DAYS = 90.0
"""How long results of cleanup are kept."""

TABLES: Sequence[Table] = (
    # In this order: what was decided goes before the leads that it was decided about.
    Table("flight", How.PARTITIONS, "at", "flight_records_days", "flights", "why, replay, audit"),
    Table("assignment_history", How.PARTITIONS, "ended_at", "assignment_history_days", "", "audit, close rates, why"),
    Table("closed", How.BATCHES, "closed_at", "closed_leads_days", "closed", "why, replay, close rates, repeats"),
    Table("change", How.BATCHES, "at", "changes_days", "changes", "changes, why, doctor"),
    Table("cleanup_run", How.BATCHES, "ended_at", "", "runs", "status, doctor", RUNS_DAYS),
    Table("job", How.BATCHES, "alive_at", "", "jobs", "imports in the console, jobs of the API", JOBS_DAYS),
    *(Table(name, How.WITH_LEAD) for name in ("lead", "merged", "lead_correction")),
    Table("event", How.ELSEWHERE, "at", needed_by="feed, webhooks"),
    Table("webhook_delivery", How.ELSEWHERE, needed_by="webhooks redeliver"),
    *(Table(name, How.ELSEWHERE) for name in ("idempotency", "stall", "hour_count", "seen_blocker", "process", "mute")),
    *(Table(name, How.ELSEWHERE) for name in ("notify_channel", "notify_alert", "notify_message")),
    *(Table(name, How.ELSEWHERE) for name in ("source_reject", "source_key", "source_secret", "webhook_secret")),
    *(Table(name, How.ELSEWHERE) for name in ("lead_pool", "wake_key", "lane_inbox", "assignment")),
    *(
        Table(name, How.KEPT)
        for name in ("tenant", "ruleset", "roster_version", "grp", "rep", "rep_row", "roster_sync")
    ),
    *(Table(name, How.KEPT) for name in ("rates", "lane", "synonym", "parked", "rep_load", "group_share")),
    *(Table(name, How.KEPT) for name in ("customer_rules", "customer_key", "customer_merge", "customer_owner")),
    *(Table(name, How.KEPT) for name in ("hour_count_reached", "token", "event_feed", "webhook", "journal")),
    *(Table(name, How.KEPT) for name in ("journalled", "source", "archived", "archived_count", "removed")),
    *(Table(name, How.KEPT) for name in ("cleanup_lease", "maintenance_run", "notify_look")),
    *(Table(name, How.KEPT) for name in ("lead_import", "lead_import_part", "removed_lead", "removed_count")),
)
BY_NAME = {table.name: table for table in TABLES}
CLEANED = tuple(table.name for table in TABLES if table.how in (How.BATCHES, How.PARTITIONS))
"""What `--table` can name, in the order in which it is done."""


def kept_days(table: Table, settings: CleanupSettings) -> float:
    """For how long rows are kept."""
    days: float = getattr(settings, table.days) if table.days else table.fixed_days
    return days
