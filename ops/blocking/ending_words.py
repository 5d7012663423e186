"""Whether to wait for a session that blocks us or to end it, and what is lost with it. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from ops.text.translation import N_, Say
from router.store.blocking.work import Work

_WORDS: Mapping[Work, str] = {
    Work.IDLE: N_(
        "It does nothing now: a program has left a transaction open. Waiting helps only if that program goes on. If "
        "you end it, what the transaction has done so far is rolled back, and the program gets an error; what it "
        "committed before stays."
    ),
    Work.QUEUED: N_(
        "It has not begun: it waits for a lock itself, and others queue behind it. If you end it, no work is lost. Its "
        "owner can run it again at a quiet hour, with a lock_timeout."
    ),
    Work.SCHEMA: N_(
        "It changes or rebuilds a table: a migration, VACUUM FULL, CREATE INDEX, LOCK TABLE. Wait if its owner says "
        "that it is nearly done. If you end it, all of its work is rolled back and has to begin again (CREATE INDEX "
        "CONCURRENTLY leaves an invalid index to drop)."
    ),
    Work.VACUUM: N_(
        "It is a vacuum: wait. It ends by itself and keeps tables fast. If you end it, what it has cleaned so far has "
        "to be done again, and an automatic one soon begins again."
    ),
    Work.BACKUP: N_(
        "It is a backup or an export: wait if you can. Leads are routed beside it, unless somebody waits to lock a "
        "table. If you end it, the backup is useless and has to begin again."
    ),
    Work.CHANGE: N_(
        "It changes or locks rows: a cleanup, an import, a script. Wait if it is nearly done. If you end it, its whole "
        "transaction is rolled back and has to run again; in small batches it would hold up less."
    ),
    Work.READ: N_(
        "It reads: a report, a query. If you end it, nothing stored is lost; its owner gets an error and can repeat it."
    ),
    Work.OURS: N_(
        "It is lead-router itself. If you end it, its batch is rolled back and done again by a router; no lead is "
        "lost. Look first whether that process is stopped or cut off."
    ),
    Work.UNKNOWN: N_(
        "What it does cannot be seen here: ask its owner before you end it. If you end it, its transaction is rolled "
        "back."
    ),
}


def advice_for(work: Work) -> str:
    """The advice for what a session does, in English."""
    return _WORDS[work]


def wait_or_end(work: str | None, say: Say) -> str:
    """The advice for what a session does; empty where that is not known here at all."""
    return say.gettext(advice_for(Work(work))) if work in set(Work) else ""


def advice_of(finding: Mapping[str, Any], say: Say) -> str:
    """The advice for the session that a finding's command would end: the first of its evidence."""
    evidence: Sequence[Mapping[str, Any]] = finding["evidence"]
    return wait_or_end(evidence[0].get("work"), say) if evidence else ""
