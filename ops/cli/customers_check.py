"""`lead-router customers check`: what importing a file would tie, before it is imported."""

import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from ops.cli.context import EXIT_FOUND, CannotRun, Context, async_command, console, json_option, print_json
from ops.cli.lead_report import RejectedRows, reporting, taken_as
from ops.cli.leads import mapping_of, opened_file, reader_for
from ops.cli.options import require_tenant, tenant_option
from router.intake.customer_check import TieCheck
from router.intake.lead_file import FileUnusable
from router.intake.lead_import import import_leads
from router.store.customer_merges import match_rules

BATCH = 5000


@click.command("check")
@click.argument("file", type=click.Path(path_type=Path))
@tenant_option
@click.option(
    "--mapping", "mapping_file", type=click.Path(path_type=Path), metavar="M.yaml", help="What the columns mean."
)
@click.option("--encoding", metavar="NAME", help="Of FILE; default: found out.")
@click.option("--delimiter", metavar="D", help="Of a .csv; default: found out.")
@click.option("--most", type=click.IntRange(1, 10_000), default=20, show_default=True, help="How many of each to show.")
@json_option
@async_command
async def check(
    context: Context,
    file: Path,
    tenant_name: str,
    mapping_file: Path | None,
    encoding: str | None,
    delimiter: str | None,
    most: int,
    as_json: bool,
) -> int:
    """Report which leads of FILE would be one customer's, by which key, and which keys look suspicious.

    Nothing is written. The exit code is 1 when keys were found that too many people share, or rows that are no leads.

    \b
    Example:
      lead-router customers check leads.csv --tenant acme --mapping mapping.yaml
    """
    plan = mapping_of(mapping_file)
    rejected = RejectedRows()
    started = time.monotonic()
    with ExitStack() as open_:
        opened = open_.enter_context(opened_file(file, plan, encoding, delimiter))
        async with context.connection() as conn:
            tenant = await require_tenant(conn, tenant_name)
            reader = await reader_for(conn, tenant, plan)
            looking = TieCheck(conn, tenant.tenant_id, await match_rules(conn, tenant.tenant_id))
            report = open_.enter_context(reporting(opened))
            try:
                done = await import_leads(looking, opened, reader, rejected.add, BATCH, report)
            except FileUnusable as error:
                raise CannotRun(f"{error} ({taken_as(opened)})") from error
    document = _document(looking, most) | {"rejected": done.rejected, "seconds": round(time.monotonic() - started, 3)}
    if as_json:
        print_json({"file": str(file), "tenant": tenant_name, **document})
    else:
        _print(document)
    return EXIT_FOUND if document["shared"] or done.rejected else 0


def _document(looking: TieCheck, most: int) -> dict[str, Any]:
    ties = looking.ties
    return {
        "leads": ties.leads,
        "without_customer": ties.nobodys,
        "customers": len(ties.groups),
        "sizes": {str(size): count for size, count in ties.sizes().items()},
        "groups": [
            {
                "customer_id": group.customer_id,
                "leads": group.leads,
                "tied_by": dict(group.tied_by.most_common()),
                "examples": group.examples,
            }
            for group in ties.largest(most)
        ],
        "shared": [{"key": one.key, "people": one.people, "leads": one.leads} for one in looking.shared()[:most]],
        "excluded": dict(ties.excluded.most_common(most)),
    }


def _print(document: dict[str, Any]) -> None:
    out = console()
    out.print(
        f"{document['leads']:,} new leads of {document['customers']:,} customers; "
        f"{document['without_customer']:,} belong to nobody; {document['rejected']:,} rows are no leads"
    )
    sizes = ", ".join(f"{count:,} with {size}" for size, count in document["sizes"].items())
    out.print(f"customers by their leads in this file: {sizes or 'none'}")
    for group in document["groups"]:
        whose = f"customer {group['customer_id']}" if group["customer_id"] else "a new customer"
        by = ", ".join(f"{kind} {count}" for kind, count in group["tied_by"].items())
        out.print(
            f"  {whose}: {group['leads']} leads, tied by {by or 'nothing'}; such as {', '.join(group['examples'])}"
        )
    for one in document["shared"]:
        out.print(f"too many share {one['key']}: at least {one['people']} people, {one['leads']} leads; it ties nobody")
    for key, count in document["excluded"].items():
        out.print(f"excluded: {key}, {count} leads")
