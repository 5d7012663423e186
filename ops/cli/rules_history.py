"""`lead-router rules` about versions: show, list, rollback."""

from dataclasses import asdict

import click

from ops.cli.context import CannotRun, Context, Found, async_command, json_option, print_json
from ops.cli.options import author_option, require_tenant, tenant_option, why_option
from ops.cli.rules_shared import now_active, print_changes, say
from ops.documents.rules import applied_document
from router.domain.phrases import listed
from router.domain.written_time import written
from router.rules.file import RulesError, ZoneDiffers
from router.store import rulesets as store
from router.store.tenants import Tenant

_VERSION = click.IntRange(1, 2**31 - 1)


@click.command()
@tenant_option
@click.option("--version", type=_VERSION, help="Which version (default: the active one).")
@click.option("--list", "list_name", metavar="NAME", help="Print this list of values that the rules name (in_file).")
@json_option
@async_command
async def show(
    context: Context, /, *, tenant_name: str | None, version: int | None, list_name: str | None, as_json: bool
) -> None:
    """Print rules as they were applied; on stderr which version that is, when and by whom it was applied.

    \b
    Example:
      lead-router rules show --tenant acme > rules.yaml
      lead-router rules show --tenant acme --list cities.txt > cities.txt
    """
    async with context.connection() as conn:
        tenant = await require_tenant(conn, tenant_name)
        _must_have_rules(tenant)
        try:
            found = await store.source_of(conn, tenant.tenant_id, version or tenant.ruleset)
        except store.RulesUnknown as error:
            raise CannotRun(f"tenant {tenant.name}: {error}") from error
    if as_json:
        print_json({**asdict(found), "in_force": found.version == tenant.ruleset})
        return
    if list_name is not None and list_name not in found.lists:
        there = f"its lists: {', '.join(found.lists)}" if found.lists else "it has no lists"
        raise CannotRun(f"ruleset version {found.version} has no list {list_name}; {there}")
    state = "active" if found.version == tenant.ruleset else f"not active, version {tenant.ruleset} is"
    note = f": {found.note}" if found.note else ""
    when = written(found.applied_at, tenant.time_zone, seconds=True)
    click.echo(f"# ruleset version {found.version} ({state}), applied {when} by {found.author}{note}", err=True)
    if found.lists and list_name is None:
        click.echo(f"# with the lists {', '.join(found.lists)} (--list NAME prints one)", err=True)
    for field, words in found.synonyms.items() if list_name is None else ():
        also = listed(f"{value} = {word}" for value, word in words.items())
        click.echo(f"# with the synonyms of {field}: {also}", err=True)
    text = found.source if list_name is None else found.lists[list_name]
    click.echo(text, nl=not text.endswith("\n"))


@click.command("list")
@tenant_option
@json_option
@async_command
async def list_versions(context: Context, tenant_name: str | None, as_json: bool) -> None:
    """The versions of a tenant's rules, the last one first.

    \b
    Example:
      lead-router rules list --tenant acme
    """
    async with context.connection() as conn:
        tenant = await require_tenant(conn, tenant_name)
        versions = await store.history(conn, tenant.tenant_id)
    if as_json:
        print_json([{**asdict(entry), "in_force": entry.version == tenant.ruleset} for entry in versions])
        return
    for entry in versions:
        state = "  active" if entry.version == tenant.ruleset else ""
        note = f": {entry.note}" if entry.note else ""
        when = written(entry.applied_at, tenant.time_zone, seconds=True)
        say(f"{entry.version:>4}  {when}  {entry.author}{note}{state}")
    if not versions:
        say(f"tenant {tenant.name} has no rules yet")


@click.command()
@tenant_option
@click.option("--to", "version", type=_VERSION, help="Back to this version (default: the one before).")
@author_option
@why_option("note", author=False)
@json_option
@async_command
async def rollback(
    context: Context, /, *, tenant_name: str | None, version: int | None, author: str, note: str, as_json: bool
) -> None:
    """Make an earlier version of the rules active again, as a new version with the same text and lists.

    The history keeps every version, so that a rollback can be rolled back too.

    \b
    Example:
      lead-router rules rollback --tenant acme --to 12 --why "13 sent Hubei to nobody"
    """
    async with context.connection() as conn:
        tenant = await require_tenant(conn, tenant_name)
        _must_have_rules(tenant)
        try:
            applied = await store.roll_back(store.keeping(conn), tenant.tenant_id, version, author, note)
        except store.RulesUnknown as error:
            raise CannotRun(f"tenant {tenant.name}: {error}") from error
        except (RulesError, ZoneDiffers, store.RulesBusy) as error:
            raise Found(f"nothing was changed: {error}") from error
    if as_json:
        print_json(applied_document(applied))
        return
    print_changes(applied.changes)
    say(now_active(applied))


def _must_have_rules(tenant: Tenant) -> None:
    if not tenant.ruleset:
        raise CannotRun(f"tenant {tenant.name} has no rules yet; lead-router rules apply FILE --tenant {tenant.name}")
