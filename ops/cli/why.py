"""`lead-router why`: why a lead is where it is."""

import os

import click

from ops.cli.context import EXIT_FOUND, CannotRun, Context, async_command, console, json_option, print_json
from ops.cli.explanation import rendered
from ops.cli.options import lead_tenant_option, named_lead
from ops.text.translation import LOCALES, language_of, translator
from ops.why.collect import why as tell
from ops.why.description import State
from ops.why.document import document
from ops.why.text import describe
from ops.why.what_it_takes import LIMIT


@click.command()
@click.argument("lead")
@lead_tenant_option
@click.option("--batch", "batch_no", type=click.IntRange(min=1), metavar="N", help="Explain this earlier decision.")
@click.option("--rep", "rep_id", metavar="REP", help="Explain why this rep got the lead, or did not.")
@click.option(
    "--what-would-it-take",
    "takes",
    is_flag=True,
    help="Show the smallest single changes that would place a waiting lead now, with their commands.",
)
@click.option(
    "--lang",
    type=click.Choice(sorted(LOCALES)),
    help="Language of the text; from LC_ALL or LANG if not given. --json is the same in all.",
)
@json_option
@async_command
async def why(
    context: Context,
    /,
    *,
    lead: str,
    tenant_name: str | None,
    batch_no: int | None,
    rep_id: str | None,
    takes: bool,
    lang: str | None,
    as_json: bool,
) -> int:
    """Explain why a lead is where it is, and what happened to it.

    LEAD is its number, or with --tenant its external id (SOURCE/ID where several sources have it). The numbers
    are those of the moment of the decision, from its flight record. Exit code 1 = something about it is not right.

    For a lead that waits for somebody, up to three of the changes that would place it now are shown in any case.

    \b
    Example:
      lead-router why 4711
      lead-router why W-90221 --tenant acme --json
      lead-router why 4711 --rep r017
      lead-router why 4711 --what-would-it-take
      lead-router why 4711 --lang zh
    """
    async with context.present() as (conn, presence):
        found = await named_lead(conn, lead, tenant_name)
        try:
            most = LIMIT if takes else None
            description = await tell(
                conn, found, batch_no=batch_no, presence=presence, rep_id=rep_id, most_changes=most
            )
        except LookupError as error:
            raise CannotRun(str(error)) from error
    if as_json:
        print_json(document(description))
    else:
        out = console()
        for part in describe(description, translator(lang or language_of(os.environ)), asked=takes):
            out.print(rendered(part))
    not_right = description.place.state is State.NOWHERE or (
        description.record is not None and description.record.explanation_differs
    )
    return EXIT_FOUND if not_right else 0
