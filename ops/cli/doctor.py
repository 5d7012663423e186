"""`lead-router doctor`: what is wrong, with its proof and what to do; what is fine; and what could not be checked."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

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
from ops.cli.doctor_mutes import mute, mutes, unmute
from ops.cli.options import current_user, filter_option, say_tenant_taken
from ops.doctor.changes_before import in_words
from ops.doctor.concerning import concerning
from ops.doctor.current import record_endings
from ops.doctor.diagnosis import Diagnosis, diagnose, diagnose_locked, diagnose_without_database
from ops.doctor.document import document, result_of
from ops.doctor.finding import Finding, Severity
from ops.doctor.idle_sessions import LIST
from ops.doctor.look import COULD_NOT_CHECK, Checked, all_checks, purposes
from ops.embedded.urls import NoDatabase, ServersError
from router.domain.phrases import count, duration
from router.domain.worded import said_by, worded
from router.drain.presence import Presence
from router.settings.model import Settings
from router.store.connections.pooler_console import console_of
from router.store.errors import (
    LOCK_TIMEOUTS,
    TRANSIENT_ERRORS,
    InterfaceError,
    NoConnection,
    PostgresError,
    Trouble,
    refused,
    trouble_of,
)
from router.store.statements import Connection
from router.store.tenants import TenantUnknown
from router.telemetry.masking import mask_passwords

if TYPE_CHECKING:
    from ops.documents.lead_asked import LeadAsked

_EVIDENCE_SHOWN, _SAME_SHOWN = 3, 3


@dataclass(frozen=True, slots=True)
class Looked:
    """What the doctor found, of it what is shown, and the lead that was asked about."""

    seen: Diagnosis
    shown: Sequence[Finding]
    lead: "LeadAsked | None" = None


@click.group(invoke_without_command=True, subcommand_metavar="[COMMAND]")
@filter_option("Only this tenant (default: all).", "tenant")
@click.option(
    "--lead", metavar="LEAD", help="Only what concerns this lead: its number, or with --tenant its external id."
)
@click.option("--only", "codes", multiple=True, metavar="CODE", help="Only this check; may be given several times.")
@click.option("--list", "only_list", is_flag=True, help="List the checks, and look at nothing.")
@click.option("--strict", is_flag=True, help="Exit code 1 also for warnings.")
@json_option
@click.pass_context
def doctor(ctx: click.Context, /, **options: Any) -> None:
    """Find what keeps leads from being routed, or soon will: the worst first, with its proof and what to do.

    Every check has its own time limit; one that fails is shown as such and stops no other. Changes nothing, but for
    mutes that are over. Exit code 0 = nothing, or nothing worse than a warning; 1 = leads stand still, the database
    cannot be used, or (--strict) there is a warning; 2 = could not look. What is muted is shown, and does not count.

    \b
    Example:
      lead-router doctor
      lead-router doctor --tenant acme --json
      lead-router doctor mute reps_without_group --tenant acme --for 4h --why "they start tomorrow"
    """
    if ctx.invoked_subcommand is None:
        _doctor(**options)
    elif given := [
        name
        for name in (*options, "all_tenants")
        if ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
    ]:
        # Ignored, they would mute what was not meant.
        words = ", ".join(
            "--"
            + {"codes": "only", "only_list": "list", "as_json": "json", "all_tenants": "all-tenants"}.get(name, name)
            for name in given
        )
        raise click.UsageError(f"{words}: write options of {ctx.invoked_subcommand} after it")


doctor.add_command(mute)
doctor.add_command(unmute)
doctor.add_command(mutes)


@async_command
async def _doctor(
    context: Context,
    /,
    *,
    tenant: str | None,
    lead: str | None,
    codes: tuple[str, ...],
    only_list: bool,
    strict: bool,
    as_json: bool,
) -> int:
    if unknown := sorted(set(codes) - all_checks().keys()):
        raise click.BadParameter(f"there is no check {', '.join(unknown)}; see --list", param_hint="--only")
    if only_list:
        _list(as_json=as_json)
        return 0
    say_tenant_taken(tenant, "tenant")
    looked = await _looked(context, tenant, lead, codes)
    if as_json:
        shown = document(looked.shown, looked.seen.results, looked.seen.at)
        print_json(shown if looked.lead is None else {**shown, "lead": looked.lead.document()})
    else:
        _print(looked)
    worst = {Severity.CRITICAL, Severity.WARNING} if strict else {Severity.CRITICAL}
    return EXIT_FOUND if any(one.severity in worst and one.muted is None for one in looked.shown) else 0


async def _looked(context: Context, tenant: str | None, lead: str | None, codes: Sequence[str]) -> Looked:
    """Also when there is no database to ask."""
    try:
        async with context.present() as (conn, presence):
            try:
                return await _examined(conn, presence, tenant, lead, codes)
            except TenantUnknown as error:
                raise CannotRun(str(error)) from error
            except LOCK_TIMEOUTS as error:
                return _all_of(await diagnose_locked(conn, error, datetime.now(UTC)))
    except NoDatabase:
        # Nothing is wrong with a database: a setting was forgotten.
        raise
    except (OSError, NoConnection, PostgresError, InterfaceError, ServersError) as error:
        if trouble_of(error) is Trouble.REFUSED_ROW:
            # The name is at fault, not the database.
            raise CannotRun(f"--tenant or --lead is not a valid name: {error}") from error
        async with aclosing(Presence(context.settings.redis_url, once=True)) as presence:
            why, url = cannot_be_used(error, context.settings), context.settings.database_url
            pooler = console_of(url, context.settings.connections) if url else None
            return _all_of(await diagnose_without_database(why, presence, datetime.now(UTC), pooler))


def _all_of(seen: Diagnosis) -> Looked:
    return Looked(seen, seen.findings)


async def _examined(
    conn: Connection, presence: Presence, tenant: str | None, lead: str | None, codes: Sequence[str]
) -> Looked:
    asked = None if lead is None else await _ask(conn, presence, lead, tenant)
    of = tenant if asked is None else asked.about.tenant
    seen = await diagnose(conn, presence, partial(datetime.now, UTC), of, codes)
    try:
        await record_endings(conn, seen.results, seen.mutes or (), seen.at, current_user(), whole=seen.whole)
    except TRANSIENT_ERRORS as error:
        # The next look ends them; what was found is shown all the same.
        click.echo(f"warning: the end of a mute was not recorded: {mask_passwords(str(error))}", err=True)
    return _all_of(seen) if asked is None else Looked(seen, concerning(seen.findings, asked.about), asked)


async def _ask(conn: Connection, presence: Presence, lead: str, tenant: str | None) -> "LeadAsked":
    from ops.cli.doctor_lead import ask  # noqa: PLC0415 - it explains decisions, which needs NumPy

    return await ask(conn, presence, lead, tenant)


def cannot_be_used(error: Exception, settings: Settings) -> str:
    """Why the database cannot be asked, and where it is, without its password."""
    if isinstance(error, ServersError):
        return said_by(error)
    why = mask_passwords(f"{type(error).__name__}: {error}".rstrip(": "))
    # Whoever is refused cannot look who has them: a role can for which some are reserved.
    said = worded("the database cannot be used ({server}): {why}", server=server_named(settings), why=why)
    if refused(error):
        return said + worded(
            "; with a role that may use reserved connections, {command} shows who has them", command=LIST
        )
    return said


def _list(*, as_json: bool) -> None:
    if as_json:
        print_json([{"code": code, "looks_for": text} for code, text in purposes().items()])
        return
    out = console()
    width = max(map(len, purposes()))
    for code, text in purposes().items():
        out.print(f"{code:{width}}  {text}")


def _print(looked: Looked) -> None:
    out = console()
    if looked.lead is not None:
        out.print(f"lead {looked.lead.about.lead_id} of {looked.lead.about.tenant}: {looked.lead.line}")
    for finding in _first_of_each(_without_many_unchecked(looked.shown)):
        _print_finding(finding, looked.seen.at)
    if all(finding.muted is not None for finding in looked.shown):
        other = "nothing else is wrong" if looked.shown else "nothing is wrong"
        out.print(f"{other}{' that concerns this lead' if looked.lead else ''}, as far as these checks see")
    results = looked.seen.results
    for title, words in (
        ("fine", [one.code for one in results if result_of(one) == "fine"]),
        ("does not apply", [f"{one.code} ({one.not_applicable})" for one in results if one.not_applicable is not None]),
        *((f"could not be checked ({why})", codes) for why, codes in _unchecked(results).items()),
    ):
        if words:
            out.print(f"{title}: {', '.join(words)}")


def _without_many_unchecked(findings: Sequence[Finding]) -> list[Finding]:
    """Without a database no check can look: what is wrong must not drown in that. The last lines have them all."""
    unchecked = [one for one in findings if one.code == COULD_NOT_CHECK and one.muted is None]
    return [one for one in findings if len(unchecked) <= _SAME_SHOWN or one not in unchecked]


def _unchecked(results: Iterable[Checked]) -> dict[str, list[str]]:
    """The checks that could not look, by why."""
    found: dict[str, list[str]] = {}
    for one in results:
        if one.failure is not None:
            found.setdefault(one.failure, []).append(one.code)
    return found


def _first_of_each(findings: Sequence[Finding]) -> Iterator[Finding]:
    """The first few of the same code and subject; how many more there are is said with the last of them."""
    shown, of = Counter[tuple[str, object]](), Counter((one.code, one.subject) for one in findings)
    for finding in findings:
        key = (finding.code, finding.subject)
        shown[key] += 1
        more = of[key] - _SAME_SHOWN
        if shown[key] < _SAME_SHOWN or (shown[key] == _SAME_SHOWN and more <= 0):
            yield finding
        elif shown[key] == _SAME_SHOWN:
            said = f"{finding.sentence}; and {count(more, 'more finding')} like this (--json)"
            yield replace(finding, sentence=said, parts=None)


def _print_finding(finding: Finding, at: datetime) -> None:
    out = console()
    out.print(finding.line)
    if finding.muted is not None:
        out.print(f"    {finding.muted.words}")
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


def _words(row: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in row.items())
