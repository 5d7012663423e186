"""`lead-router doctor`: what is wrong, with its proof and what to do; what is fine; and what could not be checked."""

from collections.abc import Mapping, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from functools import partial
from typing import Any

import click

from ops.cli.context import (
    EXIT_FOUND,
    CannotRun,
    Context,
    async_command,
    console,
    json_option,
    print_json,
    server_named,
)
from ops.doctor.changes_before import in_words, with_changes
from ops.doctor.finding import Finding, Severity
from ops.doctor.look import Checked, all_checks, examine, findings_of, purposes
from ops.doctor.outside import behind_a_lock, without_database
from ops.doctor.scene import open_scene
from ops.embedded.urls import ServersError
from router.domain.phrases import count, duration
from router.drain.presence import Presence
from router.settings.model import Settings
from router.store.errors import LOCK_TIMEOUTS, InterfaceError, NoConnection, PostgresError
from router.store.tenants import TenantUnknown
from router.telemetry.masking import mask_passwords

_EVIDENCE_SHOWN = 3
# Others wait for a table longer; here that it is locked is the answer.
_LOCK_TIMEOUT_S = 2.0


@click.command()
@click.option("--tenant", metavar="T", help="Only this tenant (default: all).")
@click.option("--only", "codes", multiple=True, metavar="CODE", help="Only this check; may be given several times.")
@click.option("--list", "only_list", is_flag=True, help="List the checks, and look at nothing.")
@click.option("--strict", is_flag=True, help="Exit code 1 also for warnings.")
@json_option
@async_command
async def doctor(
    context: Context, /, *, tenant: str | None, codes: tuple[str, ...], only_list: bool, strict: bool, as_json: bool
) -> int:
    """Find what keeps leads from being routed, or soon will: the worst first, with its proof and what to do.

    Every check has its own time limit; one that fails is told as such and stops no other. Changes nothing. Exit code
    0 = nothing, or nothing worse than a warning; 1 = leads stand still, the database cannot be used, or (--strict)
    there is a warning; 2 = could not look.

    \b
    Example:
      lead-router doctor
      lead-router doctor --tenant acme --json
    """
    if unknown := sorted(set(codes) - all_checks().keys()):
        raise click.BadParameter(f"there is no check {', '.join(unknown)}; see --list", param_hint="--only")
    if only_list:
        _list(as_json=as_json)
        return 0
    results, at = await _examined(context, tenant, codes)
    findings = findings_of(results)
    if as_json:
        print_json(_document(findings, results, at))
    else:
        _print(findings, results, at)
    worst = {Severity.CRITICAL, Severity.WARNING} if strict else {Severity.CRITICAL}
    return EXIT_FOUND if any(finding.severity in worst for finding in findings) else 0


async def _examined(context: Context, tenant: str | None, codes: Sequence[str]) -> tuple[list[Checked], datetime]:
    """What the checks came to, and when; also when there is no database to ask."""
    try:
        async with context.present() as (conn, presence):
            try:
                clock = partial(datetime.now, UTC)
                async with open_scene(conn, tenant, None, presence, clock, _LOCK_TIMEOUT_S, thorough=True) as scene:
                    return await with_changes(scene, await examine(scene, codes)), scene.at
            except TenantUnknown as error:
                raise CannotRun(str(error)) from error
            except LOCK_TIMEOUTS as error:
                return await behind_a_lock(conn, f"{type(error).__name__}: {error}"), datetime.now(UTC)
    except (OSError, NoConnection, PostgresError, InterfaceError, ServersError) as error:
        async with aclosing(Presence(context.settings.redis_url, once=True)) as presence:
            return await without_database(_why(error, context.settings), presence), datetime.now(UTC)


def _why(error: Exception, settings: Settings) -> str:
    if isinstance(error, ServersError):
        return str(error)
    words = mask_passwords(f"{type(error).__name__}: {error}".rstrip(": "))
    return f"the database cannot be used ({server_named(settings)}): {words}"


def _list(*, as_json: bool) -> None:
    if as_json:
        print_json([{"code": code, "looks_for": text} for code, text in purposes().items()])
        return
    out = console()
    width = max(map(len, purposes()))
    for code, text in purposes().items():
        out.print(f"{code:{width}}  {text}")


def _document(findings: Sequence[Finding], results: Sequence[Checked], at: datetime) -> dict[str, Any]:
    return {
        "at": at.isoformat(),
        "findings": [finding.document() for finding in findings],
        "checks": [
            {
                "code": one.code,
                "result": _result(one),
                "why": one.failure or one.not_applicable,
                "seconds": round(one.seconds, 4),
            }
            for one in results
        ],
    }


def _result(one: Checked) -> str:
    if one.failure is not None:
        return "could_not_check"
    if one.not_applicable is not None:
        return "not_applicable"
    return "found" if one.findings else "fine"


def _print(findings: Sequence[Finding], results: Sequence[Checked], at: datetime) -> None:
    out = console()
    for finding in findings:
        out.print(finding.line)
        if finding.held_back:
            since = f", the oldest for {duration((at - finding.oldest).total_seconds())}" if finding.oldest else ""
            out.print(f"    holds back: {count(finding.held_back, 'lead')}{since}")
        for row in finding.evidence[:_EVIDENCE_SHOWN]:
            out.print(f"    proof: {_words(row)}")
        if len(finding.evidence) > _EVIDENCE_SHOWN:
            out.print(f"    and {len(finding.evidence) - _EVIDENCE_SHOWN} more (--json)")
        for change in finding.changes or ():
            out.print(f"    changed before: {in_words(change)}")
        out.print(f"    runbook: {finding.runbook}")
    if not findings:
        out.print("nothing is wrong, as far as these checks see")
    for title, words in (
        ("fine", [one.code for one in results if _result(one) == "fine"]),
        ("does not apply", [f"{one.code} ({one.not_applicable})" for one in results if one.not_applicable is not None]),
        ("could not be checked", [f"{one.code} ({one.failure})" for one in results if one.failure is not None]),
    ):
        if words:
            out.print(f"{title}: {', '.join(words)}")


def _words(row: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in row.items())
