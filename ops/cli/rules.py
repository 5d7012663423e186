"""`lead-router rules`: check, apply and diff; the commands about versions are in `rules_history`."""

from collections.abc import Sequence
from pathlib import Path

import click

from ops.cli.context import EXIT_FOUND, CannotRun, Context, Found, async_command, json_option, print_json
from ops.cli.options import author_option, require_tenant, tenant_option, why_option
from ops.cli.rules_shared import (
    ReadRules,
    Refused,
    file_argument,
    now_active,
    print_changes,
    print_findings,
    read,
    say,
)
from ops.documents.rules import applied_document, findings_document
from ops.embedded.urls import ServersError
from router.domain.lint import ALL_READ, Finding, Level, Unread, lint_rules
from router.domain.phrases import count
from router.rules.file import RulesError, RulesFile, ZoneDiffers
from router.store import rulesets as store
from router.store.errors import TRANSIENT_ERRORS
from router.store.rules_apply import Given, RulesFaulty, apply_checked
from router.store.rules_lint import lint_for_tenant
from router.store.rulesets import keeping


@click.command()
@file_argument
@click.option("--tenant", "tenant_name", metavar="T", help="Also compare with the roster and the leads of this tenant.")
@click.option("--strict", is_flag=True, help="Warnings fail too (exit code 1), as for a check before merging.")
@json_option
@async_command
async def check(context: Context, /, *, file: Path, tenant_name: str | None, strict: bool, as_json: bool) -> int:
    """Check the rules in FILE: report what is wrong, and what is odd.

    Needs no database; with --tenant groups are compared with the roster, and values with those of the leads of the
    last 90 days. Exit code 1 = something is wrong (with --strict: or very likely wrong). Of a file
    that cannot be read completely, the readable parts are checked too.

    \b
    Example:
      lead-router rules check rules.yaml
      lead-router rules check rules.yaml --tenant acme --strict
    """
    try:
        found = read(file, as_json)
    except Refused as refused:
        await _report_parts(context, file, refused, tenant_name, as_json)
        return EXIT_FOUND
    findings = lint_rules(found.rules.ruleset)
    if tenant_name is not None:
        async with context.connection() as conn:
            findings += await lint_for_tenant(conn, await require_tenant(conn, tenant_name), found.rules)
    fails = any(one.level is Level.ERROR or (strict and one.level is Level.WARNING) for one in findings)
    number = len(found.rules.ruleset.rules)
    if as_json:
        document = {"problems": [], "findings": findings_document(found.rules, findings), "rules": number}
        print_json({"file": str(file), "ok": not fails, **document})
    else:
        print_findings(found, findings)
        say(f"{file}: {count(number, 'rule')}, {_verdict(findings)}")
    return EXIT_FOUND if fails else 0


async def _report_parts(context: Context, file: Path, refused: Refused, tenant_name: str | None, as_json: bool) -> None:
    """The file's problems, and apart from them what is odd in the readable parts."""
    error = refused.error
    readable, unread = (error.readable, error.unread) if isinstance(error, RulesError) else (None, ALL_READ)
    if not as_json:
        refused.show()
    if readable is None:
        findings, compared = [], ""
    else:
        findings = lint_rules(readable.ruleset, unread)
        odd, compared = await _compared(context, readable, unread, tenant_name)
        findings += odd
    parts = ReadRules(file, "", readable) if readable else None
    if as_json:
        listed = findings_document(parts.rules, findings) if parts else []
        print_json({**refused.document, "findings": listed, "not_compared": compared or None})
    elif parts and findings:
        say(f"{file}: apart from these problems, in the parts that could be read: {_verdict(findings)}")
        print_findings(parts, findings)
    if compared and not as_json:
        say(f"not compared with the tenant: {compared}")


async def _compared(
    context: Context, readable: RulesFile, unread: Unread, tenant_name: str | None
) -> tuple[list[Finding], str]:
    """What the comparison with the tenant shows, or why it was not possible: the file's problems come first."""
    if tenant_name is None:
        return [], ""
    try:
        async with context.connection() as conn:
            return await lint_for_tenant(conn, await require_tenant(conn, tenant_name), readable, unread), ""
    except (CannotRun, ServersError, *TRANSIENT_ERRORS) as error:
        return [], str(error) or type(error).__name__


def _verdict(findings: Sequence[Finding]) -> str:
    numbers = [(sum(one.level is level for one in findings), level.value) for level in Level]
    return ", ".join(count(number, word) for number, word in numbers if number) or "no problems"


@click.command()
@file_argument
@tenant_option
@author_option
@why_option("note", author=False)
@click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
@click.option("--anyway", is_flag=True, help="Apply the rules although there are warnings.")
@json_option
@async_command
async def apply(
    context: Context,
    /,
    *,
    file: Path,
    tenant_name: str | None,
    author: str,
    note: str,
    dry_run: bool,
    anyway: bool,
    as_json: bool,
) -> int:
    """Make the rules in FILE the active ones, as a new version. Routers use it from their next batch on.

    Applying the active rules again changes nothing. Rules with an error (see check --tenant) are not applied, rules
    with a warning only with --anyway; exit code 1 then.

    \b
    Example:
      lead-router rules apply rules.yaml --tenant acme --why "team in Wuhan takes Hubei"
    """
    found = read(file, as_json)
    findings = lint_rules(found.rules.ruleset)
    if any(one.level is Level.ERROR for one in findings):
        raise Found(f"{file}: nothing was applied: {_first_error(findings)}; see lead-router rules check {file}")

    async def as_read() -> Given:
        return Given(found.rules)

    async with context.connection() as conn:
        tenant = await require_tenant(conn, tenant_name)
        try:
            done = await apply_checked(
                keeping(conn),
                tenant,
                found.source,
                as_read,
                author,
                note,
                dry_run=dry_run,
                anyway=anyway,
            )
        except RulesFaulty as error:
            raise Found(f"{file}: nothing was applied: {error}; see lead-router rules check {file}") from error
        except (ZoneDiffers, store.RulesBusy, store.RulesMoved) as error:
            raise Found(f"{file}: nothing was applied: {error}") from error
    stopped = bool(done.stopped_by)
    if as_json:
        listed = findings_document(found.rules, done.findings)
        document = {"dry_run": dry_run, "stopped": stopped, **applied_document(done.applied), "findings": listed}
        print_json(document)
        return EXIT_FOUND if stopped else 0
    _report(found, done.applied, done.findings, " (--dry-run)" if dry_run else "" if stopped else None)
    if stopped:
        warned = count(len(done.stopped_by), "warning")
        say(f"{warned}: nothing {'would be' if dry_run else 'was'} applied; correct the file, or use --anyway")
    return EXIT_FOUND if stopped else 0


def _first_error(findings: Sequence[Finding]) -> str:
    first = next(one for one in findings if one.level is Level.ERROR)
    return f'rule "{first.rule}": {first.message}'


def _report(found: ReadRules, applied: store.Applied, findings: Sequence[Finding], unwritten: str | None) -> None:
    """`unwritten` = why nothing was written; None = it was."""
    print_changes(applied.changes)
    print_findings(found, findings)
    for group in applied.new_groups:
        say(f"hint: group {group} is new: no rep is in it yet")
    if unwritten is not None:
        say(f"{count(len(applied.changes), 'change')}; nothing was written{unwritten}")
    else:
        say(now_active(applied))


@click.command()
@file_argument
@tenant_option
@json_option
@async_command
async def diff(context: Context, file: Path, tenant_name: str | None, as_json: bool) -> None:
    """Show what FILE would change in the active rules.

    \b
    Example:
      lead-router rules diff rules.yaml --tenant acme
    """
    read_rules = read(file, as_json)
    async with context.connection() as conn:
        tenant = await require_tenant(conn, tenant_name)
        try:
            found = await store.compare(keeping(conn), tenant.tenant_id, read_rules.rules)
        except ZoneDiffers as error:
            raise Found(f"{file}: {error}") from error
    if as_json:
        print_json({"file": str(file), **applied_document(found)})
        return
    print_changes(found.changes)
    compared = f"to ruleset version {found.previous}" if found.previous else "(no rules are active yet)"
    say(f"{count(len(found.changes), 'change')} {compared}")
