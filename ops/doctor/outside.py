"""What can be said when the database cannot be asked: that, and what does not need it."""

from ops.doctor.checks import presence_unknown
from ops.doctor.finding import Finding, Severity, Subject
from ops.doctor.look import Checked, all_checks
from router.drain.presence import Presence, Unsure

DATABASE_UNUSABLE = "database_unusable"


async def without_database(why: str, presence: Presence) -> list[Checked]:
    """Every check as one that could not look, but for those that ask Redis; and the trouble itself, first."""
    command = "lead-router migrate" if "lead-router migrate" in why else None
    trouble = Finding(DATABASE_UNUSABLE, Severity.CRITICAL, Subject("server", "PostgreSQL"), why, command=command)
    results = [Checked(DATABASE_UNUSABLE, (trouble,))]
    for code in all_checks():
        if code == presence_unknown.CODE:
            results.append(await _redis(presence))
        else:
            results.append(Checked(code, failure="the database cannot be asked"))
    return results


async def _redis(presence: Presence) -> Checked:
    """Whether Redis answers; whether rules ask for it is not known."""
    code = presence_unknown.CODE
    match await presence.unreachable():
        case None:
            return Checked(code)
        case Unsure.NO_REDIS:
            return Checked(code, not_applicable="no Redis is configured")
        case unsure:
            sentence = presence_unknown.SENTENCES[unsure]
            return Checked(code, (Finding(code, Severity.WARNING, Subject("server", "Redis"), sentence),))
