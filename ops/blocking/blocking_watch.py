"""The duty that watches for blocking sessions: ends backends of ours that are stuck with a lane, reports others, and,
where the settings say so, cancels or ends these.
"""

from collections import Counter
from time import monotonic

from ops.blocking.overdue import Verdict, Watched
from router.runtime.lifeline import Lifeline
from router.runtime.periodic import Periodic
from router.settings.model import LockSettings
from router.store.blocking.action import Action, CannotAct, act, alone
from router.store.blocking.activity import look
from router.store.blocking.judge import HOLDS_LEADS, Blocker
from router.store.blocking.seen_blockers import note_blockers, tidy_blockers
from router.store.connections.connections import Connections, Part
from router.store.errors import TRANSIENT_ERRORS
from router.telemetry.instruments import Instruments
from router.telemetry.logs import get_logger
from router.telemetry.masking import mask_literals

log = get_logger(__name__)

# In all tenants together: this look is taken every second or so, by each instance.
_ROWS = 4_000
_TIDY_EVERY_S = 3600.0
_NOTED_AT_ONCE = 200
_KINDS = sorted(kind.value for kind in HOLDS_LEADS)


class BlockingWatchService(Periodic):
    """Several instances watch at once; only one acts at a time. `actor` is this instance."""

    name = "blocking watch"
    failing = "cannot look for blocking sessions"

    def __init__(self, connections: Connections, settings: LockSettings, instruments: Instruments, actor: str) -> None:
        self.interval_s = settings.look_every_s
        self._connections = connections
        self._settings = settings
        self._instruments = instruments
        self._actor = actor
        self._watched = Watched(settings)
        self._blocking: dict[int, str] = {}
        self._unnoted: tuple[tuple[Blocker, ...], tuple[Blocker, ...]] = (), ()
        self._tidied_at: float | None = None

    async def begin(self) -> None:
        """What was seen before a crash of this service counts no more."""
        self._watched = Watched(self._settings)
        for name in ("cancel", "terminate"):
            for whose in ("own", "foreign"):
                self._instruments.session_ended(whose, name, 0)

    async def once(self, life: Lifeline) -> None:
        """Looks, reports what is new, and acts."""
        async with self._connections.acquire(Part.DUTIES) as conn:
            verdict = self._watched.judge(await look(conn, rows=_ROWS), monotonic())
        self._report(verdict)
        for action in verdict.actions:
            await self._act(action)
        await self._remember(verdict)

    def _report(self, verdict: Verdict) -> None:
        counts = Counter(blocker.blocks[0].kind.value for blocker in verdict.blocking)
        self._instruments.blockers_seen(_KINDS, counts)
        for blocker in verdict.new:
            query = mask_literals(blocker.session.query)
            log.warning("blocked", **_described(blocker), state=blocker.session.state, query=query)
        here = {blocker.session.pid: str(blocker.session.named()) for blocker in verdict.blocking}
        for pid, named in self._blocking.items():
            if pid not in here:
                log.info("no longer blocked", by=named)
        self._blocking = here

    async def _remember(self, verdict: Verdict) -> None:
        """Notes who came and went. It is a record only: what cannot be written now is written later, if ever."""
        new, gone = (*self._unnoted[0], *verdict.new), (*self._unnoted[1], *verdict.gone)
        self._unnoted = new[-_NOTED_AT_ONCE:], gone[-_NOTED_AT_ONCE:]
        tidy = self._tidied_at is None or monotonic() - self._tidied_at > _TIDY_EVERY_S
        if not (new or gone or tidy):
            return
        try:
            async with self._connections.acquire(Part.DUTIES) as conn, conn.transaction():
                await note_blockers(conn, *self._unnoted)
                if tidy:
                    await tidy_blockers(conn)
        except TRANSIENT_ERRORS as error:
            log.debug("blockers not noted", error=f"{type(error).__name__}: {error}")
            return
        self._unnoted = (), ()
        self._tidied_at = monotonic() if tidy else self._tidied_at

    async def _act(self, action: Action) -> None:
        """Acts unless another instance is at it: what that one leaves, the next look finds."""
        described = _described(action.blocker) | {"action": action.name, "why": action.why}
        async with self._connections.acquire(Part.DUTIES) as conn:
            try:
                async with conn.transaction():
                    if not await alone(conn):
                        return
                    done = await act(conn, action, self._actor)
            except CannotAct as error:
                log.warning("stalled session left alone", **described, problem=str(error))
                return
        self._instruments.session_ended("own" if action.own else "foreign", action.name)
        log.warning("stalled session ended", **described, gone=done.gone, unrecorded=done.unrecorded)


def _described(blocker: Blocker) -> dict[str, object]:
    session = blocker.session
    return {
        "pid": session.pid,
        "application": session.application,
        "user": session.role,
        "client": session.client,
        "open_s": None if session.open_s is None else round(session.open_s, 1),
        "holds": [str(one.words) for one in blocker.blocks],
    }
