"""Options that several families of commands have."""

import getpass
import os

import click

from router.cli.context import CannotRun
from router.store.statements import Connection
from router.store.tenants import Tenant, TenantUnknown, tenant_named


def me() -> str:
    """The login name; without one the user's number."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


tenant_option = click.option("--tenant", "tenant_name", required=True, metavar="T", help="Name of the tenant.")
author_option = click.option("--author", default=me, help="Who makes the change (default: you).")
note_option = click.option("--note", default="", help="What the change is for.")


async def the_tenant(conn: Connection, name: str) -> Tenant:
    """The tenant of `--tenant`. Raises CannotRun that says which there are."""
    try:
        return await tenant_named(conn, name)
    except TenantUnknown as error:
        raise CannotRun(str(error)) from error
