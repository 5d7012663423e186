"""Options that several families of commands have."""

import getpass
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import click

from ops.cli.context import CannotRun
from router.domain.span import LONGEST, SHORTEST, read_span
from router.domain.zone_meant import doubt
from router.store.statements import Connection
from router.store.tenants import Tenant, TenantUnknown, tenant_named

F = TypeVar("F", bound=Callable[..., Any])


def current_user() -> str:
    """The login name of the person who runs the command; without one the user's number."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


tenant_option = click.option("--tenant", "tenant_name", required=True, metavar="T", help="Name of the tenant.")
author_option = click.option("--author", default=current_user, help="Who makes the change (default: you).")
note_option = click.option("--note", default="", help="What the change is for.")

MAX_WHY = 1000
# Days and weeks around it are computed.
_FIRST_YEAR, _LAST_YEAR = 1970, 2200


def why_option(*, required: bool = False) -> Callable[[F], F]:
    """Adds `--why` as the argument `why`: why the change was made, recorded beside who made it."""
    return click.option(
        "--why",
        "--note",
        "why",
        default="",
        metavar="TEXT",
        required=required,
        callback=_why,
        help="The reason, recorded with the change.",
    )


def _why(_ctx: click.Context, param: click.Parameter, text: str) -> str:
    words = text.strip()
    if param.required and not words:
        raise click.BadParameter("give the reason in a few words")
    if len(words) > MAX_WHY:
        raise click.BadParameter(f"has {len(words):,} characters; the limit is {MAX_WHY:,}")
    return words


def warn_of_zone(file: Path, zone: str | None) -> None:
    """Says on stderr where the time zone of a mapping is valid, and probably not the one that is meant."""
    if zone is not None and (why := doubt(zone)):
        click.echo(f"warning: {file}: time_zone: {why}", err=True)


def span(_ctx: click.Context, _param: click.Parameter, text: str) -> timedelta:
    """Reads a time span such as 30m: a callback of options."""
    found = read_span(text.strip())
    if found is None:
        raise click.BadParameter(f"invalid duration {text!r}: use a number with a unit, e.g. 90s, 30m, 4h or 2d")
    if not SHORTEST <= found <= LONGEST:
        raise click.BadParameter(f"{text!r} must be between 1s and {LONGEST.days}d")
    return found


def instant(_ctx: click.Context, _param: click.Parameter, text: str | None) -> datetime | None:
    """Reads a time with its offset, as UTC: a callback of options."""
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
        if at.tzinfo is not None:
            at = at.astimezone(UTC)
            if not _FIRST_YEAR <= at.year <= _LAST_YEAR:
                raise click.BadParameter(f"{text!r} must be between the years {_FIRST_YEAR} and {_LAST_YEAR}")
            return at
    except (ValueError, OverflowError):
        raise click.BadParameter(f"invalid time {text!r}: write it as 2026-03-31T09:30+08:00") from None
    raise click.BadParameter(f"{text!r} has no offset; add one, such as +08:00 or Z")


def since(ctx: click.Context, param: click.Parameter, text: str | None) -> datetime | timedelta | None:
    """Reads a time, or how long ago it was: a callback of options."""
    if text is not None and read_span(text.strip()) is not None:
        return span(ctx, param, text)
    return instant(ctx, param, text)


async def require_tenant(conn: Connection, name: str) -> Tenant:
    """The tenant of `--tenant`. Raises CannotRun with the names of the known ones."""
    try:
        return await tenant_named(conn, name)
    except TenantUnknown as error:
        raise CannotRun(str(error)) from error
