"""`make docs`: runs the commands of the pages, and writes what they print into the pages where it differs; writes the
tables of docs/log-events.md from the code.

Lines that a page left out (`…`) come back then: shorten them again, and read the difference before you commit it.
"""

import asyncio
import sys
import tempfile
from pathlib import Path

import asyncpg
import click

from ops.embedded.embedded import embedded
from router.store.migrate import migrate
from tests.e2e.commands import PROJECT
from tests.pages import log_events
from tests.pages.scenes import SCENES, Scene, run
from tests.pages.transcript import matches, rewritten
from tests.support import database_of


async def write(scenes: list[Scene]) -> bool:
    """Runs the scenes, rewrites their pages, and says what people have to look at; whether all commands ended well."""
    well = True
    with tempfile.TemporaryDirectory(prefix="lead-router-docs-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        async with embedded(folder / "servers", linger_s=0.3) as urls:
            for number, scene in enumerate(scenes):
                database = f"scene_{number}"
                admin = await asyncpg.connect(urls.database)
                await admin.execute(f"create database {database}")
                await admin.close()
                url = database_of(urls.database, database)
                await migrate(url)
                well &= await _scene(scene, folder / database, url)
    return well


async def _scene(scene: Scene, folder: Path, url: str) -> bool:
    page = PROJECT / scene.page
    typed = await run(scene, folder, url)
    shown = {step: done.lines for step, done in typed if step.shown}
    page.write_text(rewritten(page.read_text(encoding="utf-8"), shown), encoding="utf-8", newline="\n")
    for step, lines in shown.items():
        if not matches(step.shown, lines):
            click.echo(f"{scene}: written anew: {step.command}")
    failed = [(step, done) for step, done in typed if done.code != scene.code(step.command)]
    for step, done in failed:
        click.echo(f"{scene}: exit code {done.code}: {step.command}: {done.lines[-3:]}", err=True)
    return not failed


@click.command()
@click.argument("pages", nargs=-1)
def main(pages: tuple[str, ...]) -> None:
    """Rewrite PAGES, such as docs/getting-started.md; without any, all that have scenes."""
    log_events.PAGE.write_text(log_events.page(log_events.PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    sys.exit(not asyncio.run(write([scene for scene in SCENES if not pages or scene.page in pages])))


if __name__ == "__main__":
    main()
