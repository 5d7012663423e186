"""Which idle sessions of others may go when no connection is left, and the command that ends them; pure."""

import shlex
from collections import Counter
from collections.abc import Sequence

from router.store.connections.client_sessions import ClientSession, Which, chosen

LIST = "lead-router connections list"
WHY = "they leave lead-router no connection"
# The longest idle sessions are the surest to be of no use; so few that the others have them again at once help nobody.
_SPANS = ("1h", "10m", "60s", "10s", "1s")
_SECONDS = {"1h": 3600.0, "10m": 600.0, "60s": 60.0, "10s": 10.0, "1s": 1.0}
_ENOUGH = 10


def freeing(sessions: Sequence[ClientSession], wanted: int) -> str:
    """What frees connections: ends idle sessions of the application that has most of them, those that have been idle
    longest, if there are as many as all instances want (`wanted`); who has them, where nobody is idle.
    """
    idle = Counter(one.application for one in sessions if not one.ours and one.idle_for(_SECONDS[_SPANS[-1]]))
    if not idle:
        return LIST
    [(application, number)] = idle.most_common(1)
    return ending(application, _span(sessions, application, min(number, max(wanted, _ENOUGH))), WHY, dry_run=True)


def _span(sessions: Sequence[ClientSession], application: str, enough: int) -> str:
    """The longest span for which enough sessions have been idle."""
    return next(span for span in _SPANS if len(chosen(sessions, Which(application, _SECONDS[span]))) >= enough)


def ending(application: str, span: str, why: str, *, more: Sequence[str] = (), dry_run: bool = False) -> str:
    """The command that ends idle sessions of an application, as it can be pasted into a shell."""
    words = ["lead-router", "connections", "end", f"--application={application}", "--idle-for", span, *more]
    return shlex.join([*words, *(["--dry-run"] if dry_run else []), "--why", why])
