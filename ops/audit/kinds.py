"""The closed list of what `lead-router audit` can find: what each kind means and what to do about it.

Every kind has the statement of the same name in `sql/queries/audit.sql`, except those of `DERIVED`, which
`ops.audit` works out itself. `docs/audit.md` shows the list to its readers.
"""

from dataclasses import dataclass

from ops.text.translation import N_

WHY = "`lead-router why LEAD` shows how it came there"
STOP = "stop the routers of this tenant, correct the row, start them again"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of violation: the promise (1 to 11) that is broken, what it means, what to do.

    `means` is translated where it is shown.
    """

    name: str
    promise: int
    means: str
    todo: str


OF_DATABASE = (
    Kind(
        "unknown_tenant",
        1,
        N_("rows belong to a tenant that does not exist: no router looks at them"),
        "restore the row of the tenant, or delete rows that were left behind",
    ),
    Kind(
        "uniqueness_not_enforced",
        2,
        N_("a table lost its unique index, so that only the code keeps a lead from being there twice"),
        "create the primary key on (tenant_id, lead_id) again; `sql/schema.md` shows it",
    ),
)

OF_TENANT = (
    Kind(
        "lead_without_state",
        1,
        N_("an accepted lead is in no state: nobody will ever route it"),
        "find who deleted its row (only the drain deletes pool rows); put the lead back into `lead_pool`",
    ),
    Kind(
        "journal_differs",
        1,
        N_("a journal took leads that are neither drained nor in it: its file was changed, or commits were lost"),
        "restore the journal's file, or that of the database; `lead-router journal list` shows what is in the file",
    ),
    Kind(
        "lead_in_two_states",
        1,
        N_("two tables claim the same lead: it may be worked on twice"),
        f"{WHY}; delete the row that is not the newest",
    ),
    Kind(
        "state_without_lead",
        1,
        N_("a row gives a state or a past owner to a lead that is not there: the lead was deleted"),
        "restore the lead from a backup, or delete the row when the lead was meant to go",
    ),
    Kind(
        "archived_differs",
        1,
        N_("the count of archived leads is not the number of those that are archived: the sums do not add up"),
        "somebody wrote to `archived` or `archived_count`, or restored one of them: restore both from one backup",
    ),
    Kind(
        "removed_differs",
        1,
        N_("the count of leads removed on purpose is not the number of those that were: the sums do not add up"),
        "somebody wrote to `removed_lead` or `removed_count`, or restored one of them: restore both from one backup",
    ),
    Kind(
        "merged_into_missing",
        1,
        N_("a lead was merged into one that does not exist: its enquiry is lost to the reps"),
        "restore the earlier lead, or delete the row of `merged` and put the lead back to the pool",
    ),
    Kind(
        "merged_chain",
        1,
        N_("a lead was merged into a lead that is merged itself"),
        "point `into_lead_id` to the last lead of the chain",
    ),
    Kind(
        "customer_differs",
        10,
        N_("a waiting or assigned lead has another customer than the lead itself: it may go to the wrong rep"),
        "the row was changed by hand: set its customer_id to that of `lead`",
    ),
    Kind(
        "customer_merged_away",
        10,
        N_("leads, keys or an owner name a customer that is part of another one: its next lead may go to another rep"),
        "`lead-router customers unmerge` and `merge` again; the merge is named",
    ),
    Kind(
        "lane_missing",
        1,
        N_("the tenant has no lane, so that its leads are never routed"),
        "`lead-router tenants add` with the same name and zone creates it again",
    ),
    Kind(
        "lead_assigned_twice",
        2,
        N_("a lead has two current assignments: two reps call the same customer"),
        f"{WHY}; end one of them, then create the primary key again",
    ),
    Kind(
        "seq_doubled",
        2,
        N_("two assignments claim one place in a batch, or one assignment ended twice or ended and goes on"),
        f"{WHY}; a past assignment and a current one of the same batch: delete the current one",
    ),
    Kind(
        "wake_key_unknown",
        1,
        N_("leads wait for something that is not written down: only their recheck time can wake them"),
        "set their wake_key to 0, so that the next batch looks at them again",
    ),
    Kind(
        "batch_unknown",
        5,
        N_("a decision names a batch without a flight record: it cannot be explained or run again"),
        "restore `flight`; if the decision was not made by lead-router, find who writes to its tables",
    ),
    Kind(
        "flight_missing",
        5,
        N_("a batch ran and left no flight record"),
        "restore `flight` from a backup; its decisions stay valid, but nobody can explain them",
    ),
    Kind(
        "flight_doubled",
        5,
        N_("one batch has two flight records: two routers held one lane, or a restore was merged"),
        "compare them with `lead-router replay`, and keep the one that its assignments agree with",
    ),
    Kind(
        "flight_beyond_lane",
        5,
        N_("the lane went back behind batches that ran: their numbers will be used again"),
        "set lane.batch_no to the highest batch of `flight` before any router starts",
    ),
    Kind(
        "flight_out_of_order",
        5,
        N_("a batch says that it ran before the batch before it: caps and days cannot be judged in order"),
        "a clock was wrong: `lead-router lane reset-clock TENANT`; or a record was changed: compare with a backup",
    ),
    Kind(
        "time_to_come",
        7,
        N_("leads were routed, or came, at times to come: the database's clock was ahead, or is behind now"),
        "`lead-router lane reset-clock TENANT`, once the clock is right",
    ),
    Kind(
        "assigned_at_wrong",
        5,
        N_("an assignment does not carry the instant of the batch that made it"),
        "the row was changed by hand: set assigned_at to the batch's `at`",
    ),
    Kind(
        "unknown_rep",
        6,
        N_("a row names a rep who does not exist, or was not in the roster under which the batch decided"),
        "restore the rep's row; rep numbers are never deleted, a rep who left is set inactive",
    ),
    Kind(
        "unknown_group",
        6,
        N_("a row names a group that does not exist"),
        "restore the group's row in `grp`; group numbers are never deleted",
    ),
    Kind(
        "unknown_version",
        5,
        N_("a version of roster, ruleset or rates does not exist: what was decided under it cannot be run again"),
        "restore the version; versions are never deleted while something names them",
    ),
    Kind(
        "roster_overlap",
        5,
        N_("the roster says two things of one rep at the same version"),
        "set to_version of the earlier row to from_version of the later one",
    ),
    Kind(
        "open_load_wrong",
        6,
        N_("a rep's open load is not the count of open leads: too high withholds leads, too low breaks caps"),
        f"{STOP}: open = assignments of the rep, less what lane_inbox says, and a new lane.state_token",
    ),
    Kind(
        "day_load_wrong",
        6,
        N_("a rep's load of the day is not what was given: too high withholds leads, too low breaks caps"),
        f"{STOP}: today = assignments of that day but withdrawn ones, and a new lane.state_token",
    ),
    Kind(
        "day_cap_exceeded",
        6,
        N_("a rep was given more leads on one business day than the cap in force allowed"),
        f"{WHY}; hand the surplus over, and report it with the flight record: this must not happen",
    ),
    Kind(
        "open_cap_exceeded",
        6,
        N_("a rep had more open leads than the cap in force allowed when another one was given"),
        f"{WHY}; hand the surplus over, and report it with the flight record: this must not happen",
    ),
    Kind(
        "credit_drift",
        6,
        N_("credit was made or destroyed in a group: its shares are not what the weights deserve"),
        f"{STOP}: credits of one group add up to 0; with all at 0 the shares start anew",
    ),
    Kind(
        "event_missing",
        11,
        N_("a lead was assigned and no event says so: whoever follows the events does not know of it"),
        "tell the CRM of these leads; rows of `event` are only removed by the retention: find who else did",
    ),
)

ACCEPTED_DIFFERS = Kind(
    "accepted_differs",
    1,
    N_("the number of accepted leads is not the sum of the states"),
    "see the other violations of promise 1, which name the leads",
)
RULESET_UNREADABLE = Kind(
    "ruleset_unreadable",
    5,
    N_("the source of an applied ruleset cannot be read: default caps under it cannot be judged"),
    "restore the source; applied rulesets are never changed",
)
REPLAY_DIFFERS = Kind(
    "replay_differs",
    5,
    N_("a batch that is run again decides otherwise than it did, or cannot be run again"),
    "`lead-router why LEAD` of the leads named; report it with the flight record",
)
RECORD_DIFFERS = Kind(
    "record_differs",
    5,
    N_("the assignments of a batch are not those that its flight record says it decided"),
    f"{WHY}; rows of `assignment` and its history are never changed: find who did",
)
DERIVED = (ACCEPTED_DIFFERS, RULESET_UNREADABLE, REPLAY_DIFFERS, RECORD_DIFFERS)

KINDS = OF_DATABASE + OF_TENANT + DERIVED
