"""`lead-router rules`: check, apply, diff and show."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from router.cli.context import CannotRun, Context, Found, async_command, console, json_option, print_json
from router.cli.options import author_option, note_option, tenant_option, the_tenant
from router.domain.ruleset_diff import Change
from router.intake.rules_file import RulesError, RulesFile, ZoneDiffers, hints, read_file, read_rules
from router.store import rulesets as store

_CHANGES_SHOWN = 50

file_argument = click.argument("file", type=click.Path(path_type=Path))


class Refused(Found):
    """The file holds no valid rules; with `as_json` its problems are a document instead of text."""

    def __init__(self, file: Path, error: RulesError, as_json: bool) -> None:
        super().__init__(str(error))
        self._document = {"file": str(file), "ok": False, "problems": [asdict(p) for p in error.problems]}
        self._as_json = as_json

    def show(self, file: Any = None) -> None:
        if self._as_json:
            print_json(self._document)
        else:
            # Not click's "Error: ": each line begins with file and line, so that editors can jump there.
            click.echo(self.format_message(), err=True)


@click.group()
def rules() -> None:
    """The routing rules: who gets which lead."""


@rules.command()
@file_argument
@json_option
@async_command
async def check(context: Context, file: Path, as_json: bool) -> None:
    """Read the rules in FILE and say everything that is wrong with them. Needs no database.

    \b
    Example:
      lead-router rules check rules.yaml
    """
    _, found = _read(file, as_json)
    advice = hints(found.ruleset)
    if as_json:
        count = len(found.ruleset.rules)
        print_json({"file": str(file), "ok": True, "problems": [], "hints": advice, "rules": count})
        return
    _print(f"{file}: {_count(len(found.ruleset.rules), 'rule')}, nothing wrong")
    for hint in advice:
        _print(f"hint: {hint}")


@rules.command()
@file_argument
@tenant_option
@author_option
@note_option
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
@json_option
@async_command
async def apply(
    context: Context, /, *, file: Path, tenant_name: str, author: str, note: str, dry_run: bool, as_json: bool
) -> None:
    """Put the rules in FILE in force, as a new version. Routers take it with their next batch.

    Applying what is in force already changes nothing.

    \b
    Example:
      lead-router rules apply rules.yaml --tenant acme --note "team in Wuhan takes Hubei"
    """
    source, found = _read(file, as_json)
    async with context.connection() as conn:
        tenant = await the_tenant(conn, tenant_name)
        try:
            if dry_run:
                applied = await store.compare(conn, tenant.tenant_id, source, file=str(file))
            else:
                applied = await store.apply(conn, tenant.tenant_id, source, author, note, file=str(file))
        except (ZoneDiffers, store.RulesBusy) as error:
            raise Found(f"{file}: nothing was applied: {error}") from error
    if as_json:
        print_json({"dry_run": dry_run, **_document(applied), "hints": hints(found.ruleset)})
        return
    _print_changes(applied.changes)
    for group in applied.new_groups:
        _print(f"hint: no rep is in group {group} yet: nobody has named it before")
    if dry_run:
        _print(f"{_count(len(applied.changes), 'change')}; nothing was written (--dry-run)")
    elif applied.version == applied.previous:
        _print(f"these rules are in force already; ruleset version {applied.version} stays")
    else:
        _print(f"{_count(len(applied.changes), 'change')}; ruleset version {applied.version} is in force")


@rules.command()
@file_argument
@tenant_option
@json_option
@async_command
async def diff(context: Context, file: Path, tenant_name: str, as_json: bool) -> None:
    """Say what FILE would change in the rules in force.

    \b
    Example:
      lead-router rules diff rules.yaml --tenant acme
    """
    source, _ = _read(file, as_json)
    async with context.connection() as conn:
        tenant = await the_tenant(conn, tenant_name)
        try:
            found = await store.compare(conn, tenant.tenant_id, source, file=str(file))
        except ZoneDiffers as error:
            raise Found(f"{file}: {error}") from error
    if as_json:
        print_json({"file": str(file), **_document(found)})
        return
    _print_changes(found.changes)
    _print(f"{_count(len(found.changes), 'change')} to {_named(found.previous)}")


@rules.command()
@tenant_option
@click.option("--version", type=click.IntRange(1, 2**31 - 1), help="Which version (default: the one in force).")
@json_option
@async_command
async def show(context: Context, tenant_name: str, version: int | None, as_json: bool) -> None:
    """Print rules as they were applied; on stderr which version that is, when and by whom it was applied.

    \b
    Example:
      lead-router rules show --tenant acme > rules.yaml
    """
    async with context.connection() as conn:
        tenant = await the_tenant(conn, tenant_name)
        if not tenant.ruleset:
            raise CannotRun(
                f"tenant {tenant.name} has no rules yet; lead-router rules apply FILE --tenant {tenant.name}"
            )
        try:
            found = await store.source_of(conn, tenant.tenant_id, version or tenant.ruleset)
        except store.RulesUnknown as error:
            raise CannotRun(f"tenant {tenant.name}: {error}") from error
    if as_json:
        print_json({**asdict(found), "in_force": found.version == tenant.ruleset})
        return
    state = "in force" if found.version == tenant.ruleset else f"not in force, version {tenant.ruleset} is"
    note = f": {found.note}" if found.note else ""
    when = found.applied_at.isoformat(" ", "seconds")
    click.echo(f"# ruleset version {found.version} ({state}), applied {when} by {found.author}{note}", err=True)
    click.echo(found.source, nl=not found.source.endswith("\n"))


def _read(file: Path, as_json: bool) -> tuple[str, RulesFile]:
    """The file's text and its rules. Raises CannotRun, and Found with its problems."""
    try:
        source = read_file(file)
        return source, read_rules(source, str(file))
    except (OSError, ValueError) as error:
        if isinstance(error, RulesError):
            raise Refused(file, error, as_json) from error
        raise CannotRun(f"{file}: {getattr(error, 'strerror', None) or error}") from error


def _document(applied: store.Applied) -> dict[str, Any]:
    return {
        "version": applied.version,
        "previous": applied.previous,
        "changes": [{**asdict(change), "text": str(change)} for change in applied.changes],
        "new_groups": list(applied.new_groups),
    }


def _print_changes(changes: Sequence[Change]) -> None:
    for change in changes[:_CHANGES_SHOWN]:
        _print(str(change))
    if len(changes) > _CHANGES_SHOWN:
        _print(f"… and {_count(len(changes) - _CHANGES_SHOWN, 'more change')} (--json shows all)")


def _print(line: str) -> None:
    console().print(line)


def _named(version: int) -> str:
    return f"ruleset version {version}" if version else "the empty ruleset: none is in force"


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
