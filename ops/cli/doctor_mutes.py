"""`lead-router doctor mute`, `unmute` and `mutes`: findings that somebody knows of, for a while."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from ops.cli.context import (
    EXIT_FOUND,
    CannotRun,
    Context,
    Found,
    async_command,
    console,
    json_option,
    print_json,
    tell,
)
from ops.cli.options import current_user, filter_option, require_tenant, span, why_option
from ops.doctor.look import COULD_NOT_CHECK, Checked, examine, findings_of
from ops.doctor.mutes import OF_TENANTS, mutable_codes, mutings
from ops.doctor.scene import AWAY_WITHIN_S, open_scene
from router.domain.phrases import listed, suggestion
from router.domain.written_time import written
from router.drain.presence import Presence
from router.store.errors import LOCK_TIMEOUTS
from router.store.mutes import Ending, Mute, Muting, end_mutes, mutes_there, read_mutes
from router.store.mutes import mute as mute_findings
from router.store.statements import Connection
from router.store.tenants import Tenant, TenantUnknown, all_tenants

if TYPE_CHECKING:
    from router.store.parts import Unanswered

LONGEST = timedelta(days=30)

_SHORTEST = timedelta(minutes=1)
_NAMED = 3
_OF_SERVICE = "the service"


def _code(_ctx: click.Context, _param: click.Parameter, text: str) -> str:
    """Reads a code: a callback of arguments."""
    if text in mutable_codes():
        return text
    near = suggestion(text, mutable_codes())
    hint = f"did you mean {near}?" if near else "see lead-router doctor --list"
    raise click.BadParameter(f"no finding that can be muted has the code {text!r}; {hint}")


def _span(ctx: click.Context, param: click.Parameter, text: str) -> timedelta:
    found = span(ctx, param, text)
    if not _SHORTEST <= found <= LONGEST:
        raise click.BadParameter(f"{text!r} must be between 1m and {LONGEST.days}d: what lasts longer is to be fixed")
    return found


@click.command()
@click.argument("code", callback=_code)
@filter_option("Only the findings about this tenant (default: all).")
@click.option("--for", "time", required=True, metavar="TIME", callback=_span, help="How long from now: 30m, 4h, 2d.")
@click.option(
    "--up-to",
    type=click.IntRange(min=0, max=2**62),
    metavar="LEADS",
    help="So many leads may be held back before the mute ends (default: as many as now).",
)
@why_option(required=True)
@json_option
@async_command
async def mute(
    context: Context, code: str, tenant_name: str | None, time: timedelta, up_to: int | None, why: str, as_json: bool
) -> None:
    """Mute what the doctor finds now under CODE: it is shown as muted, and calls for nobody.

    It ends by itself at its time, when the finding clears, and when it gets worse: more leads held back, more findings
    about the same, or a higher severity. What is found under CODE later, about another tenant or server, is not muted.
    A mute in force is replaced. At most 30 days.

    \b
    Example:
      lead-router doctor mute reps_without_group --tenant acme --for 4h --why "they start tomorrow"
      lead-router doctor mute groups_empty --for 2d --up-to 50 --why "the group opens on Monday"
    """
    async with context.present() as (conn, presence):
        looked = await _look(conn, presence, code, tenant_name)
        found = _to_mute(looked, code, tenant_name, up_to)
        until = await mute_findings(conn, found, time, current_user(), why)
    if as_json:
        muted = {"until": until.astimezone(UTC).isoformat(), "why": why, "muted": [_of(one) for one in found]}
        print_json({**muted, "tenants_away": list(looked.away)})
        return
    out = console()
    for one in found:
        out.print(f"muted until {_words(until)}: {one.named}, {one.bounds}")
    whose = f" --tenant {tenant_name}" if tenant_name else ""
    out.print(f"to end it sooner: lead-router doctor unmute {code}{whose}")
    if looked.away:
        out.print(f"not muted, since it could not be looked at: {_away_words(looked.away)}", style="yellow")


@dataclass(frozen=True, slots=True)
class _Looked:
    """What was found, of which tenants; `away` = those whose server does not answer, by name."""

    results: Sequence[Checked]
    tenants: Sequence[Tenant]
    away: Mapping[str, "Unanswered"]


def _to_mute(looked: _Looked, code: str, tenant: str | None, up_to: int | None) -> list[Muting]:
    """What there is to mute. Raises Found when there is nothing, CannotRun when it cannot be looked at."""
    findings = [one for one in findings_of(looked.results) if one.code == code]
    of_tenant = [one for one in findings if tenant is None or one.subject.kind in OF_TENANTS]
    if tenant in looked.away:
        raise CannotRun(f"{_away_words(looked.away)} cannot be looked at; nothing was muted")
    if findings and not of_tenant:
        raise Found(f"{code} is not about a tenant now; leave out --tenant. Nothing was muted")
    if not findings:
        failed = [one.failure for one in looked.results if one.failure is not None]
        problem = f"{code} could not be checked: {failed[0]}" if failed else f"the doctor does not find {code} now"
        without = f" ({_away_words(looked.away)} could not be looked at)" if looked.away else ""
        raise Found(f"{problem}{without}; nothing was muted (a mute holds for what is there, as bad as it is)")
    return mutings(of_tenant, looked.tenants, up_to)


async def _look(conn: Connection, presence: Presence, code: str, tenant: str | None) -> _Looked:
    only = [] if code == COULD_NOT_CHECK else [code]
    looking = open_scene(conn, tenant, None, presence, lambda: datetime.now(UTC), thorough=True, partly=True)
    try:
        async with looking as scene:
            return _Looked(await examine(scene, only), scene.tenants, scene.away)
    except TenantUnknown as error:
        raise CannotRun(str(error)) from error
    except LOCK_TIMEOUTS as error:
        raise CannotRun(f"doctor could not look: {error}; nothing was muted") from error


def _away_words(away: Mapping[str, "Unanswered"]) -> str:
    """Whose server does not answer, and which one that is."""
    servers = sorted({one.server for one in away.values()})
    return f"{listed(list(away), _NAMED)} ({', '.join(servers)})"


@click.command()
@click.argument("code", callback=_code)
@filter_option("Only the mutes about this tenant (default: all).")
@why_option()
@json_option
@async_command
async def unmute(context: Context, code: str, tenant_name: str | None, why: str, as_json: bool) -> int:
    """End the mutes of CODE now.

    With nothing muted it changes nothing and ends with 0. Exit code 1 = the mutes of some tenants could not be read,
    since their server does not answer.

    \b
    Example:
      lead-router doctor unmute reps_without_group --tenant acme
    """
    async with context.connection() as conn:
        known, missing = await _mutes(conn, tenant_name)
        chosen = [one for one in known if one.of.code == code]
        ended = await end_mutes(conn, [Ending(one, why) for one in chosen], current_user())
    if as_json:
        print_json({"ended": [_of(one.mute.of) for one in ended]})
        return _exit_code(missing)
    out = console()
    for one in ended:
        out.print(f"no longer muted: {one.mute.of.named} (was until {_words(one.mute.until)}: {one.mute.why})")
    if not ended:
        out.print(f"{code} is not muted; nothing changed")
    return _exit_code(missing)


@click.command()
@filter_option("Only the mutes about this tenant (default: all).")
@json_option
@async_command
async def mutes(context: Context, tenant_name: str | None, as_json: bool) -> int:
    """List the mutes: what is muted until when, by whom and why.

    A mute that has ended is not listed; lead-router changes shows who made it and what ended it. Exit code 1 = the
    mutes of some tenants are missing, since their server does not answer.

    \b
    Example:
      lead-router doctor mutes
    """
    async with context.connection() as conn:
        found, missing = await _mutes(conn, tenant_name)
    if as_json:
        print_json([_document(one) for one in found])
        return _exit_code(missing)
    out = console()
    for one in found:
        out.print(f"{one.of.named}: until {_words(one.until)}, by {one.actor}: {one.why} ({one.of.bounds})")
    if not found:
        out.print("nothing is muted")
    return _exit_code(missing)


async def _mutes(conn: Connection, tenant: str | None) -> tuple[list[Mute], str | None]:
    """Those of a tenant, or all, and whose could not be read. Raises CannotRun when there is no such tenant."""
    if tenant is not None:
        of = await require_tenant(conn, tenant)
        return [one for one in await read_mutes(conn, [of.tenant_id]) if one.of.tenant_id == of.tenant_id], None
    found, missing = await mutes_there(conn, AWAY_WITHIN_S)
    if not missing:
        return found, None
    names = {one.tenant_id: one.name for one in await all_tenants(conn)}
    whose = [names.get(key, _OF_SERVICE) for key in missing]
    return found, f"{listed(whose, _NAMED)} ({', '.join(sorted(set(missing.values())))})"


def _exit_code(missing: str | None) -> int:
    """Says on stderr whose mutes could not be read."""
    if missing is None:
        return 0
    tell(f"the mutes of {missing} could not be read: the server does not answer")
    return EXIT_FOUND


def _of(one: Muting) -> dict[str, Any]:
    about = {"code": one.code, "subject": {"kind": one.kind, "name": one.subject}}
    return {**about, "severity": one.severity, "held_back": one.held_back, "findings": one.findings}


def _document(one: Mute) -> dict[str, Any]:
    times = {"until": one.until.astimezone(UTC).isoformat(), "since": one.at.astimezone(UTC).isoformat()}
    return {**_of(one.of), **times, "by": one.actor, "why": one.why}


def _words(at: datetime) -> str:
    return written(at)
