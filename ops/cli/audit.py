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
from ops.cli.screen import Screen
from router.domain.phrases import count
from router.store.errors import LOCK_TIMEOUTS
from router.store.tenants import TenantUnknown


@click.command()
@click.option("--tenant", metavar="TENANT", help="Only this tenant; without it, the whole database.")
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
        console().print(f"database: {context.database}")
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
    states = ", ".join(f"{state} {leads:,}" for state, leads in result.states.items() if leads)
    out.print(f"{count(result.accepted, 'lead')} accepted: {states or 'none yet'}")
    for violation in result.violations:
        _print_violation(out, violation)
    kinds = f"\n{count(len(result.violations), 'kind')} of violations"
    verdict = ("OK", "green") if result.ok else (kinds, "red")
    replays = f"{count(result.replayed, 'batch', 'batches')} run again"
    if result.not_replayed:
        replays += f" ({result.not_replayed} could not be)"
    numbers = f"{count(result.checks, 'check')}, {count(result.tenants, 'tenant')}, {replays}, {seconds:.1f} s"
    out.print(Text.assemble(verdict, f": {numbers}", "; no problems found" if result.ok else ""))


def _print_violation(out: Console, violation: checks.Violation) -> None:
    kind = violation.kind
    out.print(Text.assemble("\n", (kind.name, "red"), f" (promise {kind.promise}): {violation.count:,}"))
    out.print(f"  means: {kind.means}\n  do:    {kind.todo}")
    for example in violation.examples:
        out.print(f"  - {example}")
    if violation.count > len(violation.examples):
        out.print(f"  - and {violation.count - len(violation.examples):,} more")
