"""Words of the console beside those of explanations: how long, how many, which state. Pure."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from ops.console.in_language import said_in
from ops.text.translation import N_, Say
from ops.waiting.waiting import READY
from ops.waiting.waits_words import worded_wait
from ops.why.codes import LEFT_OUT, REASONS
from ops.why.phrases import duration
from router.domain.reason import Reason

LEVELS: Mapping[str, str] = {
    "wrong": N_("Something is wrong"),
    "look": N_("Something needs a look"),
    "fine": N_("All is well"),
}
SEVERITIES: Mapping[str, str] = {"critical": N_("critical"), "warning": N_("warning"), "info": N_("info")}
ROLES: Mapping[str, str] = {
    "intake": N_("intake"),
    "viewer": N_("viewer"),
    "rep": N_("rep"),
    "manager": N_("manager"),
    "operator": N_("operator"),
    "admin": N_("admin"),
}
JOBS: Mapping[str, str] = {
    "audit": N_("Audit"),
    "check_import": N_("Check of a file"),
    "import_leads": N_("Import"),
    "undo_import": N_("Undoing an import"),
    "replay": N_("Replay"),
    "retry": N_("Retry"),
    "handover": N_("Handover"),
    "park": N_("Park"),
    "unpark": N_("Unpark"),
}
JOB_STATES: Mapping[str, str] = {
    "running": N_("running"),
    "done": N_("done"),
    "failed": N_("failed"),
    "cancelled": N_("cancelled"),
}
CHECKS: Mapping[str, str] = {
    "found": N_("found something"),
    "fine": N_("fine"),
    "not_applicable": N_("does not apply"),
    "could_not_check": N_("could not be checked"),
}
STANDINGS: Mapping[str, str] = {
    **{reason.value: words for reason, words in LEFT_OUT.items()},
    "available": N_("could take a lead"),
}
FILTERS: Mapping[str, str] = {
    "state": N_("State"),
    "reason": N_("Reason"),
    "rep": N_("Rep"),
    "group": N_("Waiting for group"),
    "source": N_("Source"),
    "since": N_("Accepted since"),
    "until": N_("until"),
}
_READY = N_("ready for the next batch")


def reason_words(reason: str | None, say: Say) -> str:
    """In plain words; a code that has none as it is."""
    if reason is None:
        return ""
    if reason == READY:
        return say.gettext(_READY)
    try:
        return say.gettext(REASONS[Reason(reason)])
    except ValueError:
        return reason


def waits_words(phrase: str, say: Say) -> str:
    """What a lead waits for, as `ops/waiting/present.py` says it, in the language; what is not known as it is."""
    return said_in(worded_wait(phrase), say).text


def span_words(span: timedelta, say: Say) -> str:
    """How long something took or lasts: to the second below a minute, and below ten seconds to a tenth."""
    seconds = max(0.0, span.total_seconds())
    if seconds < 10:
        return say.gettext("{seconds:.1f} s").format(seconds=seconds)
    if seconds < 60:
        return say.gettext("{seconds:.0f} s").format(seconds=seconds)
    return duration(span, say)


def distance_words(at: datetime, now: datetime, say: Say) -> str:
    """How far a moment is from now."""
    far = abs(at - now)
    words = duration(far, say) if far >= timedelta(minutes=1) else say.gettext("less than 1 min")
    return say.gettext("{far} ago").format(far=words) if at <= now else say.gettext("in {far}").format(far=words)
