"""Why a lead has no rep: the closed list of the design. Each value has a page in `runbooks/`."""

from enum import StrEnum


class Reason(StrEnum):
    """A reason for which a lead waits or is parked."""

    NO_MATCHING_RULE = "no_matching_rule"
    GROUP_EMPTY = "group_empty"
    NOBODY_AVAILABLE = "nobody_available"
    ALL_AT_DAILY_CAP = "all_at_daily_cap"
    ALL_AT_OPEN_CAP = "all_at_open_cap"
    OUTSIDE_WINDOW = "outside_window"
    OWNER_UNAVAILABLE = "owner_unavailable"
    OWNER_AT_CAP = "owner_at_cap"
    LEAD_INVALID = "lead_invalid"
    DATABASE_BUSY = "database_busy"
    INTERNAL_ERROR = "internal_error"
    PAUSED = "paused"
    SCREENING = "screening"
