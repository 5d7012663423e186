"""Options that several families of commands have."""

import getpass
import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from ops.cli.context import CannotRun
from router.domain.phrases import listed
from router.domain.span import LONGEST, SHORTEST, read_span
from router.domain.zone_meant import doubt
from router.store.assignments import FoundLead, LeadUnknown, find_lead
from router.store.statements import Connection
from router.store.tenants import Tenant, TenantUnknown, all_tenants, tenant_named

F = TypeVar("F", bound=Callable[..., Any])


_AUTHOR, _NOTE, _ALL_WANTED = f"{__name__}.author", f"{__name__}.note", f"{__name__}.all_tenants"
"""Where a call keeps what its options say."""


def current_user() -> str:
    """Who makes the change: as `--author` says, else the login name of the person who runs the command; without one the
    user's number.
    """
    ctx = click.get_current_context(silent=True)
    if ctx is not None and (named := ctx.meta.get(_AUTHOR)):
        return str(named)
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


_ENVIRONMENT = "LEAD_ROUTER_TENANT"
_ALL = "all_tenants"
_DEFAULT = f"{_ENVIRONMENT}, or the only one"

tenant_option = click.option(
    "--tenant", "tenant_name", envvar=_ENVIRONMENT, metavar="T", help=f"Name of the tenant (default: {_DEFAULT})."
)
lead_tenant_option = click.option(
    "--tenant",
    "tenant_name",
    envvar=_ENVIRONMENT,
    metavar="T",
    help=f"The tenant of a lead that is named by its external id (default: {_DEFAULT}).",
)

import_tenant_option = click.option(
    "--tenant",
    "tenant_name",
    envvar=_ENVIRONMENT,
    metavar="T",
    help=f"The tenant whose import it must be (default: {_ENVIRONMENT}, or any).",
)


def filter_option(text: str, name: str = "tenant_name") -> Callable[[F], F]:
    """Adds `--tenant` as the argument `name` to a command that otherwise looks at all tenants: None = all of them.

    The environment names one, too, which is said on stderr; `--all-tenants` means all nevertheless. `text` is the help.
    """
    options = (
        click.option("--tenant", name, envvar=_ENVIRONMENT, metavar="T", callback=_filter, help=text),
        click.option(
            "--all-tenants",
            _ALL,
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_all,
            help=f"All tenants, also where {_ENVIRONMENT} names one.",
        ),
    )

    def add(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def _all(ctx: click.Context, _param: click.Parameter, wanted: bool) -> None:
    ctx.meta[_ALL_WANTED] = wanted


def _filter(ctx: click.Context, param: click.Parameter, name: str | None) -> str | None:
    if name is None or ctx.resilient_parsing:
        return name
    named = ctx.get_parameter_source(param.name or "") is ParameterSource.COMMANDLINE
    if ctx.meta.get(_ALL_WANTED):
        if named:
            raise click.UsageError("--tenant and --all-tenants: one of them at a time")
        return None
    # A group does not know yet whether a command of its own follows, which says it itself.
    if not named and not isinstance(ctx.command, click.Group):
        _say_taken(name, _ENVIRONMENT)
    return name


def named_on_command_line(parameter: str) -> bool:
    """Whether the person wrote the option, rather than the environment."""
    return click.get_current_context().get_parameter_source(parameter) is ParameterSource.COMMANDLINE


def say_tenant_taken(name: str | None, parameter: str = "tenant_name") -> None:
    """Says on stderr that the environment named the tenant, where it did: for a group that is run by itself."""
    if name is not None and _from_environment(parameter):
        _say_taken(name, _ENVIRONMENT)


def _author(ctx: click.Context, _param: click.Parameter, name: str | None) -> str:
    if name is not None:
        if not name.strip():
            raise click.BadParameter("give a name")
        ctx.meta[_AUTHOR] = name.strip()
    return current_user()


def _author_option(*, expose_value: bool = True) -> Callable[[F], F]:
    return click.option(
        "--author",
        metavar="NAME",
        expose_value=expose_value,
        callback=_author,
        help="Who makes the change (default: you).",
    )


author_option = _author_option()
"""`--author` as the argument `author`."""

MAX_WHY = 1000
# Days and weeks around it are computed.
_FIRST_YEAR, _LAST_YEAR = 1970, 2200


def why_option(name: str = "why", *, required: bool = False, author: bool = True) -> Callable[[F], F]:
    """Adds `--why` as the argument `name`: why the change was made, recorded beside who made it.

    `--note` is its old name; it stays, and is not shown. `author`: adds `--author`, too, which `current_user` returns.
    """
    options = [
        click.option(
            "--why",
            name,
            default="",
            metavar="TEXT",
            callback=_required_why if required else _why,
            help=f"The reason, recorded with the change{' (required)' if required else ''}.",
        ),
        click.option("--note", "old_note", hidden=True, default="", is_eager=True, expose_value=False, callback=_note),
    ]
    if author:
        options.append(_author_option(expose_value=False))

    def add(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def _note(ctx: click.Context, _param: click.Parameter, text: str) -> None:
    ctx.meta[_NOTE] = text


def _why(ctx: click.Context, _param: click.Parameter, text: str) -> str:
    words, note = text.strip(), str(ctx.meta.get(_NOTE, "")).strip()
    if words and note:
        raise click.UsageError("--note is the old name of --why: give one of them")
    words = words or note
    if len(words) > MAX_WHY:
        raise click.BadParameter(f"has {len(words):,} characters; the limit is {MAX_WHY:,}")
    return words


def _required_why(ctx: click.Context, param: click.Parameter, text: str) -> str:
    words = _why(ctx, param, text)
    if not words and not ctx.resilient_parsing:
        given = ctx.get_parameter_source(param.name or "") is not ParameterSource.DEFAULT or ctx.meta.get(_NOTE)
        if not given:
            raise click.MissingParameter(ctx=ctx, param=param)
        raise click.BadParameter("give the reason in a few words")
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
    try:
        return instant(ctx, param, text)
    except click.BadParameter as error:
        raise click.BadParameter(f"{error.message}, or how long ago, such as 90s, 30m, 4h or 2d") from None


async def require_tenant(conn: Connection, name: str | None) -> Tenant:
    """The tenant of `--tenant`; None = the only one there is. Says on stderr which it is when it was not named.

    Raises CannotRun with the names of the known ones.
    """
    if name is None:
        tenants = await all_tenants(conn)
        if len(tenants) != 1:
            raise CannotRun(_which(tenants))
        _say_taken(tenants[0].name, "the only one")
        return tenants[0]
    if _from_environment() and not _is_filter():
        _say_taken(name, _ENVIRONMENT)
    try:
        return await tenant_named(conn, name)
    except TenantUnknown as error:
        raise CannotRun(str(error)) from error


async def named_lead(conn: Connection, text: str, tenant_name: str | None) -> FoundLead:
    """The lead that a person names: its number, or its external id within the tenant, which may be the only one there
    is. Says on stderr which tenant it is when that was needed and not named. Raises CannotRun.
    """
    if tenant_name is not None:
        tenant = await require_tenant(conn, tenant_name)
        return await _found(conn, text, tenant.name)
    try:
        return await find_lead(conn, text, None)
    except LeadUnknown as error:
        tenants = await all_tenants(conn)
        if len(tenants) != 1:
            raise CannotRun(str(error)) from error
    found = await _found(conn, text, tenants[0].name)
    _say_taken(tenants[0].name, "the only one")
    return found


async def _found(conn: Connection, text: str, tenant: str) -> FoundLead:
    try:
        return await find_lead(conn, text, tenant)
    except LeadUnknown as error:
        raise CannotRun(str(error)) from error


def _which(tenants: Sequence[Tenant]) -> str:
    if not tenants:
        return "there is no tenant yet: lead-router tenants add NAME --time-zone ZONE"
    names = listed((tenant.name for tenant in tenants), 10)
    return f"there are {len(tenants):,} tenants ({names}): name one with --tenant, or in {_ENVIRONMENT}"


def _from_environment(parameter: str = "tenant_name") -> bool:
    ctx = click.get_current_context(silent=True)
    return ctx is not None and ctx.get_parameter_source(parameter) is ParameterSource.ENVIRONMENT


def _is_filter() -> bool:
    """Whether the command's `--tenant` is a filter, which has said already what it took."""
    return _ALL_WANTED in click.get_current_context().meta


def _say_taken(name: str, how: str) -> None:
    click.echo(f"tenant {name} ({how})", err=True)
