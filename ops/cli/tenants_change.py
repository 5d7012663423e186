"""`lead-router tenants rename`, `set` and `remove`: what was mistaken when a tenant was added, or is not needed."""

from dataclasses import asdict
from typing import Any

import click

from ops.cleanup.remove_tenant import CannotRemove, Removal, remove_tenant, what_is_of
from ops.cli.context import EXIT_FOUND, CannotRun, Context, Found, async_command, console, json_option, print_json
from ops.cli.options import current_user, require_tenant, why_option
from ops.documents.tenant_zone import move_zone
from router.domain.phrases import count
from router.rules.file import RulesError, ZoneDiffers
from router.store import tenants as store
from router.store.errors import LOCK_TIMEOUTS
from router.store.rulesets import RulesBusy
from router.store.tenants import Tenant

_SHOWN = {
    "lead": ("lead", None),
    "archived": ("archived lead", None),
    "rep": ("rep", None),
    "ruleset": ("version of the rules", "versions of the rules"),
    "customer_owner": ("customer with an owner", "customers with an owner"),
    "source": ("source", None),
    "webhook": ("webhook", None),
    "token": ("token", None),
    "event": ("row of events", "rows of events"),
    "flight": ("flight record", None),
}


@click.command()
@click.argument("name")
@click.argument("new_name")
@why_option()
@json_option
@async_command
async def rename(context: Context, name: str, new_name: str, why: str, as_json: bool) -> None:
    """Give the tenant NAME the name NEW_NAME. Everything else stays: leads, rules, tokens, its number.

    Files that name the tenant (`notify` channels, `roster_sync` entries, scripts) have to be changed, too. Recorded
    among the changes.

    \b
    Example:
      lead-router tenants rename acme acme-east
    """
    async with context.connection() as conn:
        tenant = await require_tenant(conn, name)
        try:
            renamed = await store.rename(conn, tenant, new_name, actor=current_user(), why=why)
        except store.TenantExists as error:
            raise Found(str(error)) from error
        except store.TenantError as error:
            raise CannotRun(str(error)) from error
    if as_json:
        print_json(asdict(renamed) | {"was": name})
    else:
        console().print(
            f"tenant {name} is {renamed.name} now (number {renamed.tenant_id}); files that name it stay as they are"
        )


@click.command("set")
@click.argument("name")
@click.option("--time-zone", required=True, metavar="ZONE", help="IANA name of the zone of its business day.")
@why_option()
@json_option
@async_command
async def set_(context: Context, name: str, time_zone: str, why: str, as_json: bool) -> None:
    """Change the time zone of the tenant NAME, as long as it has had no leads.

    Its business days cannot be moved later. The active rules hold in the new zone, as a new version with the same text.
    Recorded among the changes.

    \b
    Example:
      lead-router tenants set acme --time-zone Asia/Shanghai
    """
    async with context.connection() as conn:
        tenant = await require_tenant(conn, name)
        try:
            moved = await move_zone(conn, tenant, time_zone, actor=current_user(), why=why)
        except store.TenantError as error:
            raise Found(str(error)) from error
        except (RulesError, ZoneDiffers) as error:
            raise Found(
                f"nothing was changed: in the active rules {error}; apply rules without that line first"
            ) from error
        except (RulesBusy, *LOCK_TIMEOUTS) as error:
            raise Found(f"tenant {name} is being changed by another session; nothing was changed, try again") from error
    if as_json:
        print_json(asdict(moved) | {"was": tenant.time_zone})
    else:
        console().print(f"tenant {name} is in {time_zone} now; it was in {tenant.time_zone}")


@click.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Remove it; without, only show what would be removed.")
@why_option()
@json_option
@async_command
async def remove(context: Context, name: str, yes: bool, why: str, as_json: bool) -> int:
    """Remove the tenant NAME with all that is its own: leads, reps, rules, customers, history, events, tokens.

    Without --yes it only says what that is, and removes nothing (exit code 1). It cannot be undone, but by a backup.
    That it was removed, by whom and why, stays among the changes of the service.

    \b
    Example:
      lead-router tenants remove acme
      lead-router tenants remove acme --yes --why "a trial"
    """
    async with context.connection() as conn:
        tenant = await require_tenant(conn, name)
        try:
            found = await (
                remove_tenant(conn, tenant, actor=current_user(), why=why) if yes else what_is_of(conn, tenant)
            )
        except CannotRemove as error:
            raise Found(str(error)) from error
        except LOCK_TIMEOUTS as error:
            raise Found(f"tenant {name} is locked by another session; nothing was removed, try again") from error
    if as_json:
        print_json(_document(tenant, found, removed=yes))
    else:
        for line in _lines(tenant, found, removed=yes):
            console().print(line)
    return 0 if yes else EXIT_FOUND


def _document(tenant: Tenant, found: Removal, *, removed: bool) -> dict[str, Any]:
    rows = dict(sorted(found.rows.items()))
    return {
        "tenant": tenant.name,
        "removed": removed,
        "leads": found.leads,
        "journalled": found.journalled,
        "rows": rows,
    }


def _lines(tenant: Tenant, found: Removal, *, removed: bool) -> list[str]:
    parts = [count(found.rows[table], *words) for table, words in _SHOWN.items() if found.rows[table]]
    total = count(sum(found.rows.values()), "row")
    has = ", ".join(parts) or "nothing yet"
    if removed:
        return [f"tenant {tenant.name} was removed, with {total}: {has}"]
    lines = [f"tenant {tenant.name} (number {tenant.tenant_id}, {tenant.time_zone}) has {total}: {has}"]
    if found.journalled:
        lines.append(
            f"journals hold {count(found.journalled, 'lead')} of it; it cannot be removed before they are drained"
        )
    return [
        *lines,
        f"nothing was removed; to remove all of it for good: lead-router tenants remove {tenant.name} --yes",
    ]
