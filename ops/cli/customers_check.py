"""`lead-router customers check`: how the leads of a file would match customers, before it is imported."""

import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from ops.cli.contact_report import unreadable_lines
from ops.cli.context import EXIT_FOUND, CannotRun, Context, async_command, console, json_option, print_json
from ops.cli.customer_notes import overlap_lines
from ops.cli.file_options import file_options
from ops.cli.lead_report import reporting
from ops.cli.leads import mapping_of, opened_file
from ops.cli.options import require_tenant, tenant_option
from ops.documents.file_import import reader_for, taken_as
from ops.documents.import_notes import overlaps_document, unreadable_document
from ops.documents.import_result import RejectedRows
from router.domain.phrases import count
from router.domain.text import visible
from router.intake.customer_check import MatchCheck
from router.intake.lead_file import FileUnusable
from router.intake.lead_import import import_leads
from router.store.customer_merges import match_rules

BATCH = 5000


@click.command("check")
@click.argument("file", type=click.Path(path_type=Path))
@tenant_option
@file_options
@click.option("--most", type=click.IntRange(1, 10_000), default=20, show_default=True, help="How many of each to show.")
@json_option
@async_command
async def check(
    context: Context,
    file: Path,
    tenant_name: str | None,
    mapping_file: Path | None,
    encoding: str | None,
    delimiter: str | None,
    sheet: str | None,
    most: int,
    as_json: bool,
) -> int:
    """Report which leads of FILE would belong to the same customer, by which key, and which keys look suspicious.

    Nothing is written. The exit code is 1 if too many people share a key, or if rows are rejected.

    \b
    Example:
      lead-router customers check leads.csv --tenant acme --mapping mapping.yaml
    """
    plan = mapping_of(mapping_file)
    rejected = RejectedRows()
    started = time.monotonic()
    with ExitStack() as open_:
        opened = open_.enter_context(opened_file(file, plan, encoding, delimiter, sheet))
        async with context.connection() as conn:
            tenant = await require_tenant(conn, tenant_name)
            reader = await reader_for(conn, tenant, plan, opened)
            checked = MatchCheck(conn, tenant.tenant_id, await match_rules(conn, tenant.tenant_id))
            report = open_.enter_context(reporting(opened))
            try:
                done = await import_leads(checked, opened, reader, rejected.add, BATCH, report)
            except FileUnusable as error:
                raise CannotRun(f"{error} ({taken_as(opened)})") from error
    document = _document(checked, most) | {
        "rejected": done.rejected,
        **overlaps_document(done.customers),
        "unreadable": unreadable_document(done.contacts, reader),
        "seconds": round(time.monotonic() - started, 3),
    }
    if as_json:
        print_json({"file": str(file), "tenant": tenant.name, **document})
    else:
        _print(document)
        for line in (*overlap_lines(done.customers, tenant.name), *unreadable_lines(done.contacts, reader)):
            console().print(line)
    return EXIT_FOUND if document["shared"] or done.rejected else 0


def _document(checked: MatchCheck, most: int) -> dict[str, Any]:
    matches = checked.matches
    return {
        "leads": matches.leads,
        "without_customer": matches.without_customer,
        "customers": len(matches.groups),
        "sizes": {str(size): number for size, number in matches.sizes().items()},
        "groups": [
            {
                "customer_id": group.customer_id,
                "leads": group.leads,
                "tied_by": dict(group.tied_by.most_common()),
                "keys": [use._asdict() for use in checked.uses(group)],
                "examples": group.examples,
            }
            for group in matches.largest(most)
        ],
        "shared": [one._asdict() for one in checked.shared()[:most]],
        "excluded": dict(matches.excluded.most_common(most)),
    }


def _print(document: dict[str, Any]) -> None:
    out = console()
    out.print(
        f"{count(document['leads'], 'new lead')} of {count(document['customers'], 'customer')}; "
        f"{document['without_customer']:,} without customer; {count(document['rejected'], 'row')} rejected"
    )
    sizes = ", ".join(f"{number:,} with {size}" for size, number in document["sizes"].items())
    out.print(f"customers by their leads in this file: {sizes or 'none'}")
    for group in document["groups"]:
        whose = f"customer {group['customer_id']}" if group["customer_id"] else "a new customer"
        by = ", ".join(f"{kind} {number}" for kind, number in group["tied_by"].items())
        matched = f"matched by {by}" if by else "not matched"
        out.print(f"  {whose}: {count(group['leads'], 'lead')}, {matched}; e.g. {', '.join(group['examples'])}")
        for use in group["keys"]:
            out.print(f"    {visible(use['key'])}: {_lines(use)}")
    for one in document["shared"]:
        who = f"at least {one['people']} people, {count(one['leads'], 'lead')} ({_lines(one)})"
        out.print(f"shared by too many: {visible(one['key'])}: {who}; not used for matching")
    for key, number in document["excluded"].items():
        out.print(f"ignored: {key}, {count(number, 'lead')}")


def _lines(use: dict[str, Any]) -> str:
    more = use["leads"] - len(use["lines"])
    return f"{'line' if use['leads'] == 1 else 'lines'} {', '.join(map(str, use['lines']))}" + (
        f" and {more:,} more" if more else ""
    )
