"""How an endpoint of events fares, and what its last error means, in plain words. Pure."""

import re
from collections.abc import Mapping, Sequence

from ops.api.event_webhook_documents import EventWebhook
from ops.text.translation import N_, Say
from router.outbox.attempts import OPENS_AFTER

DELIVERING, FAILING, OPEN, PAUSED = "delivering", "failing", "open", "paused"
STATES: Mapping[str, str] = {
    DELIVERING: N_("delivering"),
    FAILING: N_("failing"),
    OPEN: N_("circuit open"),
    PAUSED: N_("paused"),
}
PILLS: Mapping[str, str] = {
    DELIVERING: "state-assigned",
    FAILING: "warning",
    OPEN: "critical",
    PAUSED: "state-closed",
}
MEANS: Mapping[str, str] = {
    DELIVERING: N_("Events are delivered as they happen."),
    FAILING: N_("The last attempts failed; each event is tried again, later and later."),
    OPEN: N_("It failed so often that only one attempt is made at a time, with a pause of up to 5 min before it."),
    PAUSED: N_("Nothing is delivered until it is resumed. Then it goes on where it stopped."),
}
_STATUS = re.compile(r"answered (\d{3})")
_OF_STATUS: Mapping[int, str] = {
    401: N_("it wants a login: is the secret, or the address, still right?"),
    403: N_("it does not let us in: is the secret, or the address, still right?"),
    404: N_("there is nothing at this address"),
    410: N_("it says that it is gone for good"),
    413: N_("the event is too large for it"),
    429: N_("it asks for fewer requests"),
}
_OF_HUNDRED: Mapping[int, str] = {
    3: N_("it redirects, and redirects are not followed: use the address to which it leads"),
    4: N_("it does not accept what we send"),
    5: N_("it is in trouble itself"),
}
_OF_TEXT: Sequence[tuple[str, str]] = (
    ("no answer in time", N_("it did not answer in time")),
    ("private address", N_("it leads to a private address, which is not allowed")),
    ("ertificate", N_("its certificate is not accepted")),
    ("DNS", N_("its name is not known")),
    ("Name or service", N_("its name is not known")),
    ("refused", N_("nothing listens at this address")),
    ("Cannot connect", N_("it cannot be reached")),
    ("Disconnected", N_("it ended the connection without an answer")),
    ("reset", N_("it ended the connection without an answer")),
)


def state_of(one: EventWebhook) -> str:
    """A key of STATES."""
    if not one.enabled:
        return PAUSED
    if one.failing_since is None:
        return DELIVERING
    return OPEN if one.failures >= OPENS_AFTER else FAILING


def error_words(error: str, say: Say) -> str:
    """What the error of a delivery means; what is not known as it is."""
    if found := _STATUS.match(error):
        status = int(found[1])
        meaning = _OF_STATUS.get(status) or _OF_HUNDRED.get(status // 100)
        said = say.gettext("it answered {status}").format(status=status)
        return (
            said
            if meaning is None
            else say.gettext("{what}: {meaning}").format(what=said, meaning=say.gettext(meaning))
        )
    for part, meaning in _OF_TEXT:
        if part in error:
            return say.gettext(meaning)
    return error


def level_of(states: Sequence[str], dead: int) -> str:
    """`wrong` where an endpoint is down, `look` where one fails, is paused, or has dead letters, else `fine`."""
    if OPEN in states:
        return "wrong"
    return "look" if dead or any(state != DELIVERING for state in states) else "fine"
