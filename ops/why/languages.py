"""What a language must have for `why`: one template for everything that is said, and the choice of the language."""

from collections.abc import Mapping
from dataclasses import dataclass

from router.domain.explain_parts import LeftOut
from router.domain.reason import Reason
from router.drain.presence import Unsure

Counted = tuple[str, str]
"""How one and how several are told; both have `{count}`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """One language. Templates are for `str.format`; a language without one of them is an error of types.

    Names of rules, groups, reps and sources, and details of errors, stand in them as they are.
    """

    tag: str
    # Times, numbers, lists.
    date_time: str
    in_utc: str
    weekdays: tuple[str, str, str, str, str, str, str]
    local_time: str
    days_hours: str
    hours_minutes: str
    comma: str
    semicolon: str
    either: str
    neither: str
    and_more: str
    aside: str
    # Codes.
    states: Mapping[str, str]
    reasons: Mapping[Reason, str]
    left_out: Mapping[LeftOut, str]
    outcomes: Mapping[str, str]
    ended: Mapping[str, str]
    fields: Mapping[str, str]
    factors: Mapping[str, str]
    days: Mapping[str, str]
    no_reason: str
    too_old: str
    nobody: str
    # The lead.
    head: str
    came: str
    fact: str
    timeline: str
    earlier_one: str
    earlier_more: str
    record_gone: str
    # Where it is.
    has_it: str
    given_by: str
    given_by_hand: str
    by_rule: str
    by_rule_number: str
    rule_number: str
    as_owner: str
    to_group: str
    only_one: str
    only_one_free: str
    this_ones_turn: str
    nearest: str
    next_one: str
    equally_near: str
    owed_more: str
    ahead_now: str
    due_now: str
    parked: str
    merged: str
    closed: str
    closed_by: str
    nowhere: str
    # Waiting.
    queued: str
    sentences: str
    unsure: Mapping[Unsure, str]
    old_rules: str
    has_room: str
    waits: str
    latest: str
    latest_end: str
    never_tried: str
    ended_ready: str
    look_again: str
    because: str
    no_ruleset: str
    paused: str
    table_locked: str
    row_locked: str
    lane_locked: str
    session: str
    session_since: str
    no_application: str
    before_it: Counted
    next_in_turn: str
    never_drained: str
    last_drained: str
    # The customer.
    customer: str
    customer_owner: str
    customer_no_owner: str
    customer_first: str
    customer_earlier: Counted
    customer_shown: str
    earlier_lead: str
    earlier_waiting: str
    earlier_waiting_after: str
    earlier_assigned: str
    earlier_closed: str
    earlier_closed_nobody: str
    earlier_parked: str
    earlier_merged: str
    earlier_nowhere: str
    # The decision.
    batch: str
    place: str
    rates: str
    had_before: str
    was_parked: str
    was_refused: str
    was_assigned: str
    was_assigned_by_hand: str
    cannot_rerun: str
    rep_gone: str
    old_engine: str
    differs: str
    # Rules.
    rule_line: str
    not_matched: str
    time_may_change: str
    failed: str
    every_lead: str
    stops: str
    hours_over: str
    hours_over_until: str
    matches: str
    free_of_group: str
    pass_over: Counted
    not_reached: Counted
    columns: tuple[str, str, str, str, str, str]
    won: str
    nth: str
    more_free: Counted
    no_cap: str
    had_more: str
    due_in: str
    without: str
    # Conditions.
    wants: str
    known_customer: str
    new_customer: str
    somebody_owns: str
    nobody_owns: str
    wants_created: str
    was_created: str
    within_hours: str
    within_minutes: str
    lead_has: str
    lead_has_no: str
    operators: Mapping[str, str]
    range_both: str
    range_least: str
    range_most: str
    # What a lead waits for, and the owner.
    for_group: str
    for_owner: str
    for_window: str
    for_any: str
    but_not: str
    owner_is: str
    owner_had_it: str
    owner_kept: str
    owner_waits: str
    owner_waited: str
    owner_gone: str
    # The timeline.
    received: str
    received_without: str
    merged_into: str
    event_parked: str
    event_parked_by: str
    event_sent_back_by: str
    event_refused: str
    event_again: str
    event_assigned: str
    event_by_hand: str
    event_by_hand_of: str
    event_rule: str
    event_rule_number: str
    event_owner: str
    event_group: str
    event_batch: str


def language_of(environment: Mapping[str, str]) -> str:
    """`zh` or `en`, by the first of LC_ALL, LC_MESSAGES and LANG that is set."""
    named = next((environment[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if environment.get(name)), "")
    return "zh" if named.lower().startswith("zh") else "en"
