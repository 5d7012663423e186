"""Which stalls one look at a tenant shows. Pure: what lasts, and what is over, `watched` decides."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

from ops.stalls.limits import Limits
from ops.stalls.stall import Kind, Stall, Topic
from ops.stalls.tenant_look import Arrival, Fate, TenantLook
from ops.waiting.waiting import READY, WaitingLeads
from ops.waiting.waits_words import worded_reason
from router.domain.reason import Reason
from router.domain.worded import Worded, worded, worded_count
from router.domain.worded_phrases import worded_duration, worded_list

_AT_ONCE = frozenset({READY, str(Reason.DATABASE_BUSY)})
"""A batch would take these; the other reasons last until somebody changes something."""
_BY_PEOPLE = str(Reason.SCREENING)


def judge(look: TenantLook, limits: Limits, begun: dict[Topic, datetime], opened: frozenset[Topic]) -> list[Stall]:
    """At most one of each topic. `begun` = since when a topic's condition has held in each look; `opened` = topics that
    have a stall already, which ends only when nothing is left of it.
    """
    if look.paused:
        return []
    since = begun.get(Topic.WAITING, look.now)
    waiting = _lane_not_taken(look, since) or _nothing_assigned(look, limits, since) or _share_fell(look, limits)
    waiting = waiting or _reason_dominates(look, limits, since if Topic.WAITING in opened else None)
    oldest = _oldest_waits(look, limits, begun.get(Topic.OLDEST, look.now))
    found = [waiting, oldest, _parked_grow(look, limits)]
    return [stall for stall in found if stall is not None]


def _lane_not_taken(look: TenantLook, since: datetime) -> Stall | None:
    ready = _stuck(look, lambda part: part.reason == READY)
    if not ready or (look.last_batch_at is not None and look.last_batch_at >= since):
        return None
    last = worded("there has been no batch yet")
    if look.last_batch_at is not None:
        last = worded("the last batch was {ago} ago", ago=_ago(look.now, look.last_batch_at))
    return _stall(Kind.LANE_NOT_TAKEN, look, ready, worded("no batch goes through: {last}", last=last))


def _nothing_assigned(look: TenantLook, limits: Limits, since: datetime) -> Stall | None:
    if look.assigned_at is not None and look.assigned_at >= since:
        return None
    fresh = [one for one in look.arrivals if one.fate is Fate.STUCK and _after(one.at, look.assigned_at)]
    taken_at_once = _stuck(look, lambda part: part.reason in _AT_ONCE)
    if not taken_at_once and len(fresh) < limits.fresh_leads:
        return None
    last = worded("nothing has been assigned yet")
    if look.assigned_at is not None:
        last = worded("nothing has been assigned for {lasts}", lasts=_ago(look.now, look.assigned_at))
    return _stall(Kind.NOTHING_ASSIGNED, look, _stuck(look), last)


def _share_fell(look: TenantLook, limits: Limits) -> Stall | None:
    recent = _between(look, limits.share_window, limits.settled)
    placed = sum(one.fate is Fate.PLACED for one in recent)
    judged = placed + sum(one.fate is Fate.STUCK for one in recent)
    if judged < limits.minimum_leads or placed >= limits.assigned_share * judged:
        return None
    text = worded_count(
        "only {placed:,} of the last {count:,} lead ({share}, last {window}) were assigned",
        "only {placed:,} of the last {count:,} leads ({share}, last {window}) were assigned",
        judged,
        placed=placed,
        share=f"{placed / judged:.0%}",
        window=worded_duration(limits.share_window.total_seconds()),
    )
    return _stall(Kind.SHARE_FELL, look, _stuck(look), text)


def _reason_dominates(look: TenantLook, limits: Limits, open_since: datetime | None) -> Stall | None:
    """A reason whose share in what came lately is far above its share before. `open_since` = it was noticed already:
    then it lasts as long as its leads are a share worth naming.
    """
    if open_since is not None:
        return _dominates_in(look, limits, look.now - open_since + limits.reason_windows[-1], still=True)
    found = (_dominates_in(look, limits, window, still=False) for window in limits.reason_windows)
    return next((stall for stall in found if stall is not None), None)


def _dominates_in(look: TenantLook, limits: Limits, window: timedelta, *, still: bool) -> Stall | None:
    recent, before = _between(look, window, limits.settled), _older(look, window)
    if not recent:
        return None
    reasons = _reasons(recent)
    for reason, leads in reasons.most_common():
        share = leads / len(recent)
        if still:
            dominates = share >= limits.reason_share_over
        elif len(before) >= limits.minimum_leads:
            usual = _reasons(before)[reason] / len(before)
            grown = share >= limits.reason_growth * usual
            dominates = leads >= limits.reason_leads and share >= limits.reason_share and grown
        else:
            dominates = leads >= limits.minimum_leads and share >= limits.reason_share_alone
        if dominates:
            text = worded_count(
                "{leads:,} of the {count:,} lead of the last {window} wait for one reason, {reason}",
                "{leads:,} of the {count:,} leads of the last {window} wait for one reason, {reason}",
                len(recent),
                leads=leads,
                window=worded_duration(window.total_seconds()),
                reason=worded_reason(reason),
            )
            return _stall(Kind.REASON_DOMINATES, look, _stuck(look, _waits_for(reason)), text)
    return None


def _oldest_waits(look: TenantLook, limits: Limits, since: datetime) -> Stall | None:
    """Of the ready ones only where no batch comes: a place that has just become free is taken by the next."""
    limit = look.now - limits.oldest_after
    batches = look.last_batch_at is not None and look.last_batch_at >= since

    def is_old(part: WaitingLeads) -> bool:
        if part.stuck_since is None or (part.reason == READY and batches):
            return False
        return max(part.stuck_since, look.stuck_from.get(part.reason, part.stuck_since)) <= limit

    old = _stuck(look, is_old)
    if not old:
        return None
    oldest = min(part.stuck_since for part in old if part.stuck_since is not None)
    text = worded("leads that should be taken have been waiting for up to {far}", far=_ago(look.now, oldest))
    return _stall(Kind.OLDEST_WAITS, look, old, text)


def _parked_grow(look: TenantLook, limits: Limits) -> Stall | None:
    reasons = {reason: leads for reason, leads in look.parked.items() if reason != _BY_PEOPLE}
    leads, since = sum(reasons.values()), look.parked_since
    if since is None or leads < limits.parked_leads:
        return None
    came = sum(one.at >= since for one in look.arrivals)
    if leads < limits.parked_share * came:
        return None
    text = worded_count(
        "{count:,} lead parked in the last {window}, in which {came:,} came in: {reasons}",
        "{count:,} leads parked in the last {window}, in which {came:,} came in: {reasons}",
        leads,
        window=_ago(look.now, since),
        came=came,
        reasons=_listed(reasons),
    )
    return Stall(Kind.PARKED_GROW, text, leads, since, reasons)


def _stall(kind: Kind, look: TenantLook, parts: Sequence[WaitingLeads], text: Worded) -> Stall:
    reasons = {part.reason: part.stuck for part in parts}
    leads = sum(reasons.values())
    oldest = min((part.stuck_since for part in parts if part.stuck_since is not None), default=None)
    held_up = worded_count(
        "; {count:,} lead held up: {reasons}", "; {count:,} leads held up: {reasons}", leads, reasons=_listed(reasons)
    )
    return Stall(kind, text + held_up, leads, oldest, reasons)


def _stuck(look: TenantLook, wanted: Callable[[WaitingLeads], bool] = lambda _: True) -> tuple[WaitingLeads, ...]:
    return tuple(part for part in look.waiting.reasons if part.stuck and wanted(part))


def _waits_for(reason: str) -> Callable[[WaitingLeads], bool]:
    return lambda part: part.reason == reason


def _between(look: TenantLook, window: timedelta, grace: timedelta) -> list[Arrival]:
    """What came in within `window`, and had `grace` to be assigned."""
    first, last = look.now - window, look.now - grace
    return [one for one in look.arrivals if first <= one.at <= last and one.fate is not Fate.PARKED]


def _older(look: TenantLook, window: timedelta) -> list[Arrival]:
    return [one for one in look.arrivals if one.at < look.now - window and one.fate is not Fate.PARKED]


def _reasons(arrivals: Iterable[Arrival]) -> Counter[str]:
    return Counter(one.reason for one in arrivals if one.fate is Fate.STUCK)


def _after(at: datetime, other: datetime | None) -> bool:
    return other is None or at > other


def _ago(now: datetime, at: datetime) -> Worded:
    return worded_duration((now - at).total_seconds())


def _listed(reasons: dict[str, int]) -> str:
    ordered = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    return worded_list(
        worded("{leads:,} {reason}", leads=leads, reason=worded_reason(reason)) for reason, leads in ordered
    )
