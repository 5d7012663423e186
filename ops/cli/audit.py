"""`lead-router audit`: proves the promises over the whole database."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

from ops.audit import audit as checks
from ops.audit.document import document
from ops.cli.context import EXIT_FOUND, CannotRun, Context, async_command, console, json_option, print_json
from ops.cli.language import say
from ops.cli.options import filter_option
from ops.cli.screen import Screen
from ops.text.states import STATES
from router.store.errors import LOCK_TIMEOUTS
from router.store.tenants import TenantUnknown


@click.command()
@filter_option("Only this tenant; without it, the whole database.", "tenant")
@click.option(
    "--sample",
    type=click.IntRange(min=0),
    default=checks.SAMPLE,
    show_default=True,
    metavar="N",
    help="Run the last N batches and N others at random again.",
)
@json_option
@async_command
async def audit(context: Context, tenant: str | None, sample: int, as_json: bool) -> int:
    """Prove that nothing is lost, nothing doubled, caps and shares are exact, and decisions repeat.

    Reads one snapshot, changes nothing, and may run while routers work. Exit code 1 = violations.

    \b
    Example:
      lead-router audit
      lead-router audit --tenant acme --sample 100 --json
    """
    started = time.monotonic()
    async with context.connection() as conn:
        try:
            with _shown(hidden=as_json) as progress:
                result = await checks.audit(conn, tenant, sample, progress)
        except TenantUnknown as error:
            raise CannotRun(str(error)) from error
        except LOCK_TIMEOUTS as error:
            raise CannotRun(f"the audit could not read: {error}") from error
    seconds = time.monotonic() - started
    if as_json:
        print_json({"database": context.database, **document(result, seconds)})
    else:
        console().print(say().gettext("database: {database}").format(database=context.database))
        _print(result, seconds)
    return 0 if result.ok else EXIT_FOUND


@contextmanager
def _shown(*, hidden: bool) -> Iterator[checks.Progress]:
    """Which check runs, on stderr, while it runs."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    screen = Screen(stderr=True)
    with Progress(*columns, console=screen, transient=True, disable=hidden or not screen.is_terminal) as bar:
        task = bar.add_task("audit", total=None)

        def show(step: checks.Step) -> None:
            where = f" of {step.tenant}" if step.tenant else ""
            bar.update(task, completed=step.done, total=step.total, description=f"{step.check}{where}")

        yield show


def _print(result: checks.Audit, seconds: float) -> None:
    out = console()
    states = ", ".join(
        f"{say().gettext(STATES.get(state, state))} {leads:,}" for state, leads in result.states.items() if leads
    )
    accepted = say().ngettext(
        "{count:,} lead accepted: {states}", "{count:,} leads accepted: {states}", result.accepted
    )
    out.print(accepted.format(count=result.accepted, states=states or say().gettext("none yet")))
    for violation in result.violations:
        _print_violation(out, violation)
    kinds = len(result.violations)
    found = say().ngettext("{count:,} kind of violations", "{count:,} kinds of violations", kinds).format(count=kinds)
    verdict = (say().gettext("OK"), "green") if result.ok else (f"\n{found}", "red")
    numbers = ", ".join([*_numbers(result), f"{seconds:.1f} s"])
    out.print(Text.assemble(verdict, f": {numbers}", say().gettext("; no problems found") if result.ok else ""))


def _numbers(result: checks.Audit) -> Iterator[str]:
    """How much was looked at."""
    texts = (
        (result.checks, say().ngettext("{count:,} check", "{count:,} checks", result.checks)),
        (result.tenants, say().ngettext("{count:,} tenant", "{count:,} tenants", result.tenants)),
        (result.replayed, say().ngettext("{count:,} batch run again", "{count:,} batches run again", result.replayed)),
    )
    *first, last = [text.format(count=number) for number, text in texts]
    yield from first
    could_not = say().gettext(" ({count:,} could not be)").format(count=result.not_replayed)
    yield last + (could_not if result.not_replayed else "")


def _print_violation(out: Console, violation: checks.Violation) -> None:
    kind = violation.kind
    promise = say().gettext(" (promise {number}): {count:,}").format(number=kind.promise, count=violation.count)
    out.print(Text.assemble("\n", (kind.name, "red"), promise))
    means, do = say().gettext("means:"), say().gettext("do:")
    out.print(f"  {means:<6} {say().gettext(kind.means)}\n  {do:<6} {kind.todo}")
    for example in violation.examples:
        out.print(f"  - {example}")
    if violation.count > len(violation.examples):
        more = violation.count - len(violation.examples)
        out.print(say().gettext("  - and {count:,} more").format(count=more))
