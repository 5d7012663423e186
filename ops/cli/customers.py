"""`lead-router customers`: who is whose, what ties them, and two that turn out to be one."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from ops.cli.context import CannotRun, Context, Found, async_command, console, json_option, print_json
from ops.cli.customer_named import BY, customer_named
from ops.cli.customer_texts import described, lead_told, merge_told, moved, print_customer
from ops.cli.options import author_option, current_user, note_option, require_tenant, tenant_option
from router.manual.merge_customers import CannotMerge, merge_customers, part_customers
from router.rules.customers import people_of
from router.rules.document import read_file
from router.rules.match_rules import MatchRules, parse_match_rules, parse_stored_match_rules
from router.rules.problems import InvalidFile
from router.store import customer_merges as store
from router.store.customer_merges import CustomerUnknown
from router.store.errors import LOCK_TIMEOUTS

SHOWN = 50


@click.command("show")
@click.argument("customer")
@tenant_option
@click.option("--by", type=click.Choice(BY), help="What CUSTOMER is, where it could be several.")
@json_option
@async_command
async def show(context: Context, customer: str, tenant_name: str, by: str | None, as_json: bool) -> None:
    """Show CUSTOMER: its number (see lead-router why), the CRM's customer id, a phone, or an e-mail address.

    A phone without a country code is read in the default_phone_region of the rules. Where several customers could be
    meant, each is listed, and --by says which.

    \b
    Example:
      lead-router customers show 13800138000 --tenant acme
      lead-router customers show 4711 --by crm-id --tenant acme
    """
    async with context.connection() as conn:
        tenant = await require_tenant(conn, tenant_name)
        with _problems():
            customer_id = await customer_named(conn, tenant, customer, by)
        leads = await store.leads_of(conn, tenant.tenant_id, (customer_id,))
        merges = await store.merges_of(conn, tenant.tenant_id, customer_id)
        keys = await store.keys_of(conn, tenant.tenant_id, (customer_id,))
        owner = await store.owner_of(conn, tenant.tenant_id, customer_id)
        names = await store.rep_ids(conn, tenant.tenant_id, [owner, *(lead.rep_no for lead in leads)])
    part_of = next((m.into_customer_id for m in merges if m.customer_id == customer_id and not m.parted_at), None)
    document = {
        "customer_id": customer_id,
        "part_of": part_of,
        "owner": names.get(owner) if owner else None,
        "keys": len(keys),
        "leads": [lead_told(lead, names) for lead in leads],
        "merges": [merge_told(merge) for merge in merges],
    }
    if as_json:
        print_json(document)
    else:
        print_customer(document)


@click.command("merge")
@click.argument("stays", type=int, metavar="A")
@click.argument("moves", type=int, metavar="B")
@tenant_option
@note_option
@json_option
@async_command
async def merge(context: Context, stays: int, moves: int, tenant_name: str, note: str, as_json: bool) -> None:
    """Make customer B a part of customer A, because they are one. Both are numbers, as lead-router why shows them.

    What B is known by, and B's leads, become A's. Of two owners the one remains who was given a lead of that customer
    last. Leads that a rep has stay with that rep; waiting ones are decided again.

    \b
    Example:
      lead-router customers merge 4711 4890 --tenant acme --note "same person, private number"
    """
    async with context.connection() as conn:
        tenant = await require_tenant(conn, tenant_name)
        with _problems():
            done = await merge_customers(conn, tenant.tenant_id, stays, moves, actor=current_user(), note=note)
        names = await store.rep_ids(conn, tenant.tenant_id, [done.into_owner])
    document = moved(done) | {"owner": names.get(done.into_owner or 0)}
    if as_json:
        print_json(document)
    else:
        whose = f"rep {document['owner']} has it" if document["owner"] else "nobody has it yet"
        console().print(
            f"customer {moves} is part of customer {stays} now: "
            f"{done.leads} leads and {done.keys} keys moved; {whose}\n"
            f"undo it with: lead-router customers part {done.merge_id}"
        )


@click.command("part")
@click.argument("merge_id", type=int, metavar="MERGE_ID")
@note_option
@json_option
@async_command
async def part(context: Context, merge_id: int, note: str, as_json: bool) -> None:
    """Undo the merge MERGE_ID. Keys and leads go back, also leads that came since by a key that goes back.

    Each of the two customers belongs to the rep who was given a lead of it since, else to the one who had it before.

    \b
    Example:
      lead-router customers part 17 --note "two brothers"
    """
    async with context.connection() as conn:
        with _problems():
            done = await part_customers(conn, merge_id, actor=current_user(), note=note)
    if as_json:
        print_json(moved(done))
    else:
        console().print(
            f"customers {done.customer_id} and {done.into_customer_id} are two again: "
            f"{done.leads} leads and {done.keys} keys went back to {done.customer_id}"
        )


@click.command("rules")
@click.argument("file", type=click.Path(path_type=Path), required=False)
@tenant_option
@author_option
@note_option
@json_option
@async_command
async def rules(context: Context, file: Path | None, tenant_name: str, author: str, note: str, as_json: bool) -> None:
    """Show by what leads are known to be of one customer, or apply FILE to what arrives from now on.

    \b
    Example:
      lead-router customers rules --tenant acme
      lead-router customers rules match.yaml --tenant acme --note "the fair's hotline"
    """
    source = None if file is None else _source(file)
    async with context.connection() as conn:
        tenant = await require_tenant(conn, tenant_name)
        if source is not None:
            await store.apply_match_rules(conn, tenant.tenant_id, source, author, note)
        stored = await store.stored_match_rules(conn, tenant.tenant_id)
    in_force = parse_stored_match_rules(stored.source) if stored else MatchRules()
    document: dict[str, Any] = {
        "tenant": tenant_name,
        "version": stored.version if stored else 0,
        "applied_at": stored.applied_at if stored else None,
        "author": stored.author if stored else None,
        "note": stored.note if stored else None,
        **described(in_force),
    }
    if as_json:
        print_json(document)
        return
    out = console()
    said = f"version {stored.version} of {stored.applied_at:%Y-%m-%d %H:%M} UTC by {stored.author}" if stored else ""
    out.print(
        f"match rules of tenant {tenant_name}: {said or 'the default'}"
        + (f" ({stored.note})" if stored and stored.note else "")
    )
    for name, value in described(in_force).items():
        out.print(f"  {name}: {', '.join(value) if isinstance(value, list) else value}")


@click.command("shared")
@tenant_option
@click.option("--most", type=click.IntRange(1, 10_000), default=SHOWN, show_default=True, help="How many to show.")
@json_option
@async_command
async def shared(context: Context, tenant_name: str, most: int, as_json: bool) -> None:
    """List phones, addresses and domains that too many people share, so that they tie nobody any more.

    Leads that one of them tied before stay tied: `customer` is theirs, with all its leads.

    \b
    Example:
      lead-router customers shared --tenant acme
    """
    async with context.connection() as conn:
        tenant = await require_tenant(conn, tenant_name)
        rows = await store.shared_keys(conn, tenant.tenant_id, most)
    listed = [
        {
            "key": row["shared_as"],
            "since": row["shared_at"],
            "people": people_of(row["people"] or ()),
            "customer_id": row["customer_id"],
            "leads_tied_before": row["leads"],
        }
        for row in rows
    ]
    if as_json:
        print_json({"tenant": tenant_name, "shared": listed})
        return
    out = console()
    if not listed:
        out.print("no key is shared by too many people")
    for one in listed:
        tied = (
            f"; tied before: {one['leads_tied_before']} leads of customer {one['customer_id']}"
            if one["customer_id"]
            else ""
        )
        out.print(f"{one['key']}: at least {one['people']} people, since {one['since']:%Y-%m-%d %H:%M} UTC{tied}")


@contextmanager
def _problems() -> Iterator[None]:
    """What stands in the way, as exit codes say it."""
    try:
        yield
    except CustomerUnknown as error:
        raise CannotRun(str(error)) from error
    except CannotMerge as error:
        raise Found(str(error)) from error
    except LOCK_TIMEOUTS as error:
        raise Found(
            "an import, a batch or somebody else holds these customers; nothing was changed, try again"
        ) from error


def _source(file: Path) -> str:
    try:
        source = read_file(file)
        parse_match_rules(source, str(file))
    except InvalidFile as error:
        raise CannotRun(str(error)) from error
    except OSError as error:
        raise CannotRun(f"{file}: {error.strerror or error}") from error
    return source
