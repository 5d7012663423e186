"""`lead-router tokens`: who may use the API, and for what."""

from datetime import UTC, datetime, timedelta

import click
from rich.table import Table

from ops.cli.context import CannotRun, Context, Found, async_command, console, json_option, print_json
from ops.cli.options import current_user, filter_option, require_tenant, span, why_option
from ops.documents.tokens import MAX_NAME, token_document
from router.domain.access import EVERY_TENANT, MAY, Token, TokenRole
from router.domain.written_time import written_or_dash
from router.store.statements import Connection
from router.store.tenants import all_tenants
from router.store.tokens import NewToken, TokenUnknown, all_tokens, create_token, new_token, revoke_token


def _span(ctx: click.Context, param: click.Parameter, text: str | None) -> timedelta | None:
    return None if text is None else span(ctx, param, text)


@click.command()
@click.argument("name")
@click.option("--tenant", "tenant_name", metavar="T", help="The tenant that it is for.")
@click.option("--all-tenants", is_flag=True, help="For all tenants: each request names one with ?tenant=T.")
@click.option(
    "--role", required=True, type=click.Choice([role.value for role in TokenRole]), help="What its holder may do."
)
@click.option("--rep", "rep_id", metavar="REP", help="The rep that it is for, with --role rep.")
@click.option("--expires-in", "span", metavar="TIME", callback=_span, help="30d, 4h; default never.")
@json_option
@async_command
async def create(
    context: Context,
    name: str,
    tenant_name: str | None,
    all_tenants: bool,
    role: str,
    rep_id: str | None,
    span: timedelta | None,
    as_json: bool,
) -> None:
    """Create a token called NAME and show it once: only a hash of it is stored.

    \b
    Example:
      lead-router tokens create website --tenant acme --role intake --expires-in 365d
    """
    if all_tenants == (tenant_name is not None):
        raise CannotRun("say whom it is for: --tenant T, or --all-tenants")
    if (rep_id is not None) != (role == TokenRole.REP):
        raise CannotRun("--rep REP belongs to --role rep, and only there")
    if not name.strip() or len(name) > MAX_NAME or not name.isprintable():
        raise CannotRun(f"a token's name has 1 to {MAX_NAME} printable characters")
    async with context.connection() as conn:
        tenant_id = EVERY_TENANT if tenant_name is None else (await require_tenant(conn, tenant_name)).tenant_id
        shown = new_token(tenant_id)
        expires_at = datetime.now(UTC) + span if span else None
        new = NewToken(name.strip(), TokenRole(role), expires_at, rep_id)
        token = await create_token(conn, shown, new, current_user())
    if as_json:
        print_json({**token_document(token, tenant_name), "token": str(shown)})
        return
    out = console()
    out.print(str(shown), soft_wrap=True)
    out.print(f"This is the only time it is shown. It may {', '.join(sorted(MAY[token.role]))}.")


@click.command("list")
@filter_option("Only those of one tenant (default: of all).")
@json_option
@async_command
async def list_(context: Context, tenant_name: str | None, as_json: bool) -> None:
    """List the tokens, also those that are revoked or have expired. Secrets are not shown.

    \b
    Example:
      lead-router tokens list --tenant acme
    """
    async with context.connection() as conn:
        tenant_id = None if tenant_name is None else (await require_tenant(conn, tenant_name)).tenant_id
        found = await all_tokens(conn, tenant_id)
        names = await _names(conn)
    if as_json:
        print_json([token_document(token, names.get(token.tenant_id)) for token in found])
        return
    table = Table("token", "name", "tenant", "role", "created", "last used", "holds", box=None, pad_edge=False)
    for token in found:
        tenant = names.get(token.tenant_id, "all tenants")
        role = f"{token.role} {token.rep_id}" if token.rep_id else str(token.role)
        holds = _holds(token, datetime.now(UTC))
        table.add_row(token.token_id, token.name, tenant, role, _day(token.created_at), _day(token.used_at), holds)
    console().print(table if found else "no token yet; lead-router tokens create NAME --tenant T --role intake")


@click.command()
@click.argument("token_id", metavar="TOKEN")
@why_option()
@json_option
@async_command
async def revoke(context: Context, token_id: str, why: str, as_json: bool) -> None:
    """End the token TOKEN (its id, as in the list): within 5 s it opens nothing any more.

    \b
    Example:
      lead-router tokens revoke 3f9c01aa --why "left the company"
    """
    async with context.connection() as conn:
        tenants = [one.tenant_id for one in await all_tokens(conn, None) if one.token_id == token_id]
        try:
            token = await revoke_token(conn, tenants[0] if tenants else EVERY_TENANT, token_id, current_user(), why)
        except TokenUnknown as error:
            raise Found(str(error)) from error
        names = await _names(conn)
    if as_json:
        print_json(token_document(token, names.get(token.tenant_id)))
    else:
        console().print(f"token {token.token_id} ({token.name}) is revoked")


async def _names(conn: Connection) -> dict[int, str]:
    return {tenant.tenant_id: tenant.name for tenant in await all_tenants(conn)}


def _holds(token: Token, now: datetime) -> str:
    if token.revoked_at is not None:
        return f"revoked {_day(token.revoked_at)}"
    if token.expires_at is None:
        return "yes"
    return ("expired " if token.expires_at <= now else "until ") + _day(token.expires_at)


def _day(at: datetime | None) -> str:
    return written_or_dash(at)
