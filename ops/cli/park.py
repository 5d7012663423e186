"""`lead-router park` and `lead-router unpark`: one lead is taken out of the routing by hand, or sent back."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import click

from ops.cli.context import CannotRun, Context, Found, async_command, console, json_option, print_json
from ops.cli.options import current_user, lead_tenant_option, named_lead, why_option
from router.store.assignments import FoundLead, LeadUnknown
from router.store.errors import LockNotAvailable
from router.store.parking import BY_HAND, CannotMove
from router.store.parking import park as park_lead
from router.store.parking import unpark as unpark_lead
from router.store.statements import Connection

Done = TypeVar("Done")


@click.command()
@click.argument("lead")
@lead_tenant_option
@why_option(required=True)
@json_option
@async_command
async def park(context: Context, lead: str, tenant_name: str | None, why: str, as_json: bool) -> None:
    """Take LEAD (its number, its external id, or SOURCE/ID) out of the routing, for a person to look at.

    Only a waiting lead can be parked. It has the reason `screening`, and no retry sends it back unless that reason is
    named.

    \b
    Example:
      lead-router park 4711 --why "asked not to be called"
    """
    found, at = await _moved(context, lead, tenant_name, park_lead, why)
    if as_json:
        print_json({"lead_id": found.lead_id, "reason": BY_HAND.value, "parked_at": at.isoformat(), "why": why})
    else:
        console().print(f"lead {found.lead_id} is parked; lead-router unpark {found.lead_id} sends it back")


@click.command()
@click.argument("lead")
@lead_tenant_option
@why_option()
@json_option
@async_command
async def unpark(context: Context, lead: str, tenant_name: str | None, why: str, as_json: bool) -> None:
    """Send LEAD (its number, its external id, or SOURCE/ID) back: it waits for a rep again, queued as of now.

    Reps who returned it do not get it again. For many leads there is `lead-router retry`.

    \b
    Example:
      lead-router unpark 4711 --why "parked by mistake"
    """
    found, reason = await _moved(context, lead, tenant_name, unpark_lead, why)
    if as_json:
        print_json({"lead_id": found.lead_id, "was_parked_for": reason})
    else:
        console().print(f"lead {found.lead_id} waits for a rep again; it was parked for {reason}")


async def _moved(
    context: Context,
    lead: str,
    tenant_name: str | None,
    move: Callable[[Connection, FoundLead, str, str], Awaitable[Done]],
    why: str,
) -> tuple[FoundLead, Done]:
    """The lead, and what moving it returned. Raises CannotRun and Found."""
    async with context.connection() as conn:
        found = await named_lead(conn, lead, tenant_name)
        try:
            return found, await move(conn, found, current_user(), why)
        except LeadUnknown as error:
            raise CannotRun(str(error)) from error
        except CannotMove as error:
            raise Found(str(error)) from error
        except LockNotAvailable as error:
            busy = f"lead {found.lead_id} or its lane is locked; nothing changed, try again"
            raise Found(busy) from error
