"""`lead-router customers`: show, merge and unmerge customers; match rules."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from ops.cli.context import CannotRun, Context, Found, async_command, cannot_read, console, json_option, print_json
from ops.cli.customer_notes import merge_command
from ops.cli.customer_texts import print_customer
from ops.cli.options import author_option, current_user, require_tenant, tenant_option, why_option
from ops.documents.customer_named import BY, customer_named
from ops.documents.customer_overlaps import overlaps_of
from ops.documents.customers import customer_document, moved_document, owner_text, rules_document
from router.domain.phrases import count
from router.domain.text import visible
from router.domain.written_time import written
from router.manual.merge_customers import CannotMerge, merge_customers, unmerge_customers
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
async def show(context: Context, customer: str, tenant_name: str | None, by: str | None, as_json: bool) -> None:
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
        document = await customer_document(conn, tenant.tenant_id, customer_id)
        document["overlaps"] = await overlaps_of(conn, tenant.tenant_id, customer_id)
    if as_json:
        print_json(document)
    else:
        print_customer(document, tenant.time_zone)
        for one in document["overlaps"]:
            command = merge_command(customer_id, one["other_customer_id"], tenant.name)
            whose = f"its {visible(one['key'])} is of customer {one['other_customer_id']}"
            console().print(f"  lead {one['lead_id']}: {whose}; if they are one: {command}")


@click.command("merge")
@click.argument("stays", type=int, metavar="A")
@click.argument("moves", type=int, metavar="B")
@tenant_option
@why_option("note")
@json_option
@async_command
async def merge(context: Context, stays: int, moves: int, tenant_name: str | None, note: str, as_json: bool) -> None:
    """Merge customer B into customer A: they are duplicates. Both are numbers, as lead-router why shows them.

    B's keys and leads become A's. If both have an owner, the one who was given a lead of that customer last remains.
    Assigned leads stay with their reps; waiting ones are decided again.

    \b
    Example:
      lead-router customers merge 4711 4890 --tenant acme --why "same person, private number"
    """
    async with context.connection() as conn:
        tenant = await require_tenant(conn, tenant_name)
        with _problems():
            done = await merge_customers(conn, tenant.tenant_id, stays, moves, actor=current_user(), note=note)
        names = await store.rep_ids(conn, tenant.tenant_id, [done.into_owner])
    document = moved_document(done) | {"owner": names.get(done.into_owner or 0)}
    if as_json:
        print_json(document)
    else:
        console().print(
            f"customer {moves} merged into customer {stays}: "
            f"{count(done.leads, 'lead')} and {count(done.keys, 'key')} moved; {owner_text(document['owner'])}\n"
            f"to undo: lead-router customers unmerge {done.merge_id}"
        )


@click.command("unmerge")
@click.argument("merge_id", type=int, metavar="MERGE_ID")
@why_option("note")
@json_option
@async_command
async def unmerge(context: Context, merge_id: int, note: str, as_json: bool) -> None:
    """Undo the merge MERGE_ID. Keys and leads go back, also later leads that came with a key that goes back.

    Each of the two customers is owned by the rep who was given a lead of it since the merge, else by the owner from
    before.

    \b
    Example:
      lead-router customers unmerge 17 --why "two brothers"
    """
    async with context.connection() as conn:
        with _problems():
            done = await unmerge_customers(conn, merge_id, actor=current_user(), note=note)
    if as_json:
        print_json(moved_document(done))
    else:
        console().print(
            f"customer {done.customer_id} split from customer {done.into_customer_id}: "
            f"{count(done.leads, 'lead')} and {count(done.keys, 'key')} went back to it"
        )


@click.command("rules")
@click.argument("file", type=click.Path(path_type=Path), required=False)
@tenant_option
@author_option
@why_option("note", author=False)
@json_option
@async_command
async def rules(
    context: Context, file: Path | None, tenant_name: str | None, author: str, note: str, as_json: bool
) -> None:
    """Show how leads are matched to customers, or apply the match rules of FILE to leads that arrive from now on.

    \b
    Example:
      lead-router customers rules --tenant acme
      lead-router customers rules match.yaml --tenant acme --why "the fair's hotline"
    """
    source = None if file is None else _source(file)
    async with context.connection() as conn:
        tenant = await require_tenant(conn, tenant_name)
        if source is not None:
            await store.apply_match_rules(conn, tenant.tenant_id, source, author, note)
        stored = await store.stored_match_rules(conn, tenant.tenant_id)
    in_force = parse_stored_match_rules(stored.source) if stored else MatchRules()
    document: dict[str, Any] = {
        "tenant": tenant.name,
        "version": stored.version if stored else 0,
        "applied_at": stored.applied_at if stored else None,
        "author": stored.author if stored else None,
        "note": stored.note if stored else None,
        **rules_document(in_force),
    }
    if as_json:
        print_json(document)
        return
    out = console()
    version = "default"
    if stored:
        applied_at = written(stored.applied_at, tenant.time_zone)
        version = f"version {stored.version} of {applied_at} by {stored.author}"
    out.print(
        f"match rules of tenant {tenant.name}: {version}" + (f" ({stored.note})" if stored and stored.note else "")
    )
    for name, value in rules_document(in_force).items():
        out.print(f"  {name}: {', '.join(value) if isinstance(value, list) else value}")


@click.command("shared")
@tenant_option
@click.option("--most", type=click.IntRange(1, 10_000), default=SHOWN, show_default=True, help="How many to show.")
@json_option
@async_command
async def shared(context: Context, tenant_name: str | None, most: int, as_json: bool) -> None:
    """List phones, addresses and domains that too many people share, so that they are not used for matching.

    Leads that were matched by one of them before stay with their customer, which is listed with its number of leads.

    \b
    Example:
      lead-router customers shared --tenant acme
    """
    async with context.connection() as conn:
        tenant = await require_tenant(conn, tenant_name)
        rows = await store.shared_keys(conn, tenant.tenant_id, most)
    found = [
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
        print_json({"tenant": tenant.name, "shared": found})
        return
    out = console()
    if not found:
        out.print("no keys are shared by too many people")
    for one in found:
        leads = f"{count(one['leads_tied_before'], 'lead')} of customer {one['customer_id']}"
        matched = f"; matched before: {leads}" if one["customer_id"] else ""
        since = written(one["since"], tenant.time_zone)
        out.print(f"{one['key']}: at least {one['people']} people, since {since}{matched}")


@contextmanager
def _problems() -> Iterator[None]:
    """Turns errors into exit codes."""
    try:
        yield
    except CustomerUnknown as error:
        raise CannotRun(str(error)) from error
    except CannotMerge as error:
        raise Found(str(error)) from error
    except LOCK_TIMEOUTS as error:
        raise Found(
            "these customers are locked by an import, a batch or another session; nothing changed, try again"
        ) from error


def _source(file: Path) -> str:
    try:
        source = read_file(file)
        parse_match_rules(source, str(file))
    except InvalidFile as error:
        raise CannotRun(str(error)) from error
    except OSError as error:
        raise cannot_read(file, error) from error
    return source
