"""The English words of codes; whoever shows one translates it: `say.gettext(REASONS[reason])`."""

from collections.abc import Mapping

from ops.text.translation import N_
from router.domain.explain_parts import LeftOut
from router.domain.reason import Reason
from router.drain.presence import Unsure

REASONS: Mapping[Reason, str] = {
    Reason.NO_MATCHING_RULE: N_("no rule matches"),
    Reason.GROUP_EMPTY: N_("the group has no active member"),
    Reason.NOBODY_AVAILABLE: N_("nobody in the group is on duty"),
    Reason.ALL_AT_DAILY_CAP: N_("everyone on duty has reached the daily limit"),
    Reason.ALL_AT_OPEN_CAP: N_("everyone on duty has reached the open-lead limit"),
    Reason.OUTSIDE_WINDOW: N_("the rule applies at other hours"),
    Reason.OWNER_UNAVAILABLE: N_("the customer's owner is not on duty"),
    Reason.OWNER_AT_CAP: N_("the customer's owner has reached a limit"),
    Reason.LEAD_INVALID: N_("the lead is invalid"),
    Reason.DATABASE_BUSY: N_("the database is busy"),
    Reason.INTERNAL_ERROR: N_("deciding about it failed"),
    Reason.PAUSED: N_("routing is paused"),
    Reason.SCREENING: N_("it is being screened"),
}
ONLY_THOSE_WHO_HAD_IT = N_("everyone on duty in the group has had this lead and returned it")
LEFT_OUT: Mapping[LeftOut, str] = {
    LeftOut.INACTIVE: N_("inactive"),
    LeftOut.WEIGHT_ZERO: N_("weight 0"),
    LeftOut.UNAVAILABLE: N_("unavailable"),
    LeftOut.AVAILABILITY_UNKNOWN: N_("availability unknown"),
    LeftOut.NOT_PRESENT: N_("not present"),
    LeftOut.ON_LEAVE: N_("on leave"),
    LeftOut.HOLIDAY: N_("public holiday"),
    LeftOut.OFF_HOURS: N_("off hours"),
    LeftOut.HAD_IT_BEFORE: N_("had this lead and returned it"),
    LeftOut.AT_DAILY_CAP: N_("at the daily limit"),
    LeftOut.AT_OPEN_CAP: N_("at the open-lead limit"),
}
OUTCOMES: Mapping[str, str] = {
    "won": N_("won"),
    "lost": N_("lost"),
    "returned": N_("returned"),
    "withdrawn": N_("withdrawn"),
    "handed_over": N_("handed over"),
}
ENDED: Mapping[str, str] = {
    "won": N_("won by {rep}"),
    "lost": N_("lost by {rep}"),
    "returned": N_("returned by {rep}; to be reassigned"),
    "withdrawn": N_("withdrawn from {rep}"),
    "handed_over": N_("taken from {rep} manually, for another"),
}
FIELDS: Mapping[str, str] = {
    "region": N_("region"),
    "industry": N_("industry"),
    "product": N_("product"),
    "campaign": N_("campaign"),
    "ad_id": N_("ad_id"),
    "landing_page": N_("landing_page"),
    "source": N_("source"),
    "company": N_("company"),
    "phone_region": N_("country of the phone"),
    "priority": N_("priority"),
    "date": N_("date"),
    "name": N_("name"),
    "customer": N_("customer"),
}
FACTORS: Mapping[str, str] = {
    "region_match": N_("region_match"),
    "industry_match": N_("industry_match"),
    "close_rate": N_("close_rate"),
    "sold_product": N_("sold_product"),
}
DAYS: Mapping[str, str] = {
    "today": N_("today"),
    "yesterday": N_("yesterday"),
}
UNSURE: Mapping[Unsure, str] = {
    Unsure.NO_REDIS: N_("Presence unknown: no Redis is configured (LEAD_ROUTER_REDIS_URL). The working hours decide."),
    Unsure.NO_ANSWER: N_(
        "Presence unknown: Redis does not answer. This uses the working hours alone; a router uses what it last knew "
        "for up to one ttl."
    ),
    Unsure.TOO_NEW: N_("Presence unknown: Redis has been running for less than one ttl. Nobody counts as away yet."),
}
OPERATORS: Mapping[str, str] = {
    "one_of": N_("{field} {values}"),
    "not": N_("{field} other than {values}"),
    "prefix": N_("{field} beginning with {values}"),
    "present": N_("{field} given"),
    "absent": N_("no {field}"),
    "in_file": N_("{field} listed in {values}"),
}
WEEKDAYS = (N_("Mon"), N_("Tue"), N_("Wed"), N_("Thu"), N_("Fri"), N_("Sat"), N_("Sun"))
COLUMNS = (N_("rep"), N_("credit"), N_("weight"), N_("open"), N_("today"), N_("due in"))
