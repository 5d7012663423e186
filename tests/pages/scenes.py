"""The pages whose commands are run as they are printed, and the world in which each is.

A scene is a part of a page (all of it, or what stands under one heading) and what is there before its first command.
"""

import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ops.embedded.embedded import stopped
from tests.e2e.commands import PROJECT
from tests.pages import beside, worlds
from tests.pages.beside import Around, Beside
from tests.pages.terminal import Terminal, Typed, terminal
from tests.pages.transcript import Step, steps_of

Setting = Callable[[Path, str], Awaitable[None]]
"""Makes the world of a scene: in the folder of its terminal, and the migrated database with this URL."""


@dataclass(frozen=True, slots=True)
class Scene:
    """`section` = heading, without its `#`; empty: the whole page. `setting` = None: empty servers of its
    own. `codes` = exit codes other than 0, by beginnings of commands. `beside` = what others do meanwhile.
    """

    page: str
    section: str = ""
    setting: Setting | None = None
    codes: Mapping[str, int] = field(default_factory=dict)
    beside: Beside = beside.nothing

    def text(self) -> str:
        """What is run, with empty lines where the rest of the page stands: lines keep their numbers."""
        text = (PROJECT / self.page).read_text(encoding="utf-8")
        return section(text, self.section) if self.section else text

    def steps(self) -> list[Step]:
        """Its commands in order."""
        return steps_of(self.text())

    def code(self, command: str) -> int:
        """The exit code that a command must have."""
        return next((code for beginning, code in self.codes.items() if command.startswith(beginning)), 0)

    def __str__(self) -> str:
        return f"{self.page}#{self.section}" if self.section else self.page


def section(text: str, heading: str) -> str:
    """What stands under a heading, until the next one of any level; empty lines in place of the rest."""
    lines, within, fenced = list[str](), False, False
    for line in text.splitlines():
        fenced ^= line.lstrip().startswith("```")
        if line.startswith("#") and not fenced:
            within = line.lstrip("#").strip() == heading
        lines.append(line if within else "")
    return "\n".join(lines)


@asynccontextmanager
async def typed_in(scene: Scene, folder: Path, url: str) -> AsyncIterator[tuple[Terminal, Around]]:
    """The terminal of a scene in a new folder, which root's servers can enter, and what goes on beside it."""
    folder.mkdir()
    folder.chmod(0o755)
    if scene.setting is None:
        _checkout(folder)
        try:
            async with terminal(folder) as shell:
                yield shell, Around()
        finally:
            for data in folder.rglob(".lead-router"):
                await stopped(data)
    else:
        await scene.setting(folder, url)
        async with (
            scene.beside(folder, url) as around,
            terminal(folder, **{"LEAD_ROUTER_DATABASE_URL": url, **around.environment}) as shell,
        ):
            yield shell, around


async def run(scene: Scene, folder: Path, url: str) -> list[tuple[Step, Typed]]:
    """Types all commands of a scene; what each printed, with the page's names."""
    async with typed_in(scene, folder, url) as (shell, around):
        typed = [(step, await shell.types(around.typed(step.command))) for step in scene.steps()]
    return [(step, Typed(tuple(map(around.read, done.lines)), done.code)) for step, done in typed]


def _checkout(folder: Path) -> None:
    """What a reader has after `git clone`: of it what the commands of a first day touch, installed already."""
    for name in ("Makefile", "pyproject.toml", "requirements-dev.lock"):
        shutil.copy(PROJECT / name, folder / name)
        os.utime(folder / name, (0, 0))  # older than the installation, so that `make setup` has nothing to do
    shutil.copytree(PROJECT / "config", folder / "config")
    (folder / ".venv").symlink_to(PROJECT / ".venv")


FIRST_DAY = {"lead-router leads import website-de.csv": 1}
LOOKED = {"lead-router blockers --terminate": 0, "lead-router blockers": 1}
OPERATING = "docs/operating.md"
SCENES: Sequence[Scene] = (
    Scene("docs/getting-started.md", codes=FIRST_DAY),
    Scene("docs/getting-started.zh.md", codes=FIRST_DAY),
    Scene("docs/audit.md", setting=worlds.REPLAYED),
    Scene("docs/customers.md", "What ties", worlds.CUSTOMERS),
    Scene("docs/customers.md", "Before an import", worlds.CUSTOMERS),
    Scene("docs/intake.md", "Leads that come again and say something else", worlds.CHANGED),
    Scene("docs/intake.md", "Correcting leads", worlds.CHANGED, {"lead-router leads correct": 1}),
    Scene("docs/intake.md", "Taking an import back", worlds.CHANGED, {"lead-router leads undo-import": 1}),
    Scene("docs/intake.md", "The same id from another source", worlds.OTHER_SOURCE),
    Scene("docs/intake.md", "Words in one spelling", worlds.SYNONYMS),
    Scene("docs/intake.md", "Repeats", worlds.AGAIN),
    Scene("docs/intake.md", "Customers", worlds.CONTACTS),
    Scene("docs/integrating.md", "Webhooks", worlds.WITH_REPS, beside=beside.receiver),
    Scene("docs/customers.md", "A number that many share", worlds.SWITCHBOARD),
    Scene(OPERATING, "assign", worlds.WITH_REPS),
    Scene(OPERATING, "blockers", worlds.many, LOOKED, beside.locks),
    Scene(OPERATING, "bundle", worlds.WITH_LOG),
    Scene(OPERATING, "changes", worlds.WITH_REPS),
    Scene(OPERATING, "connections in use", worlds.nothing, {}, beside.full_server),
    Scene(OPERATING, "doctor", worlds.WITHOUT_GROUP),
    Scene(OPERATING, "About one lead", worlds.EMPTY_GROUP),
    Scene(OPERATING, "Mutes", worlds.WITHOUT_GROUP),
    Scene(OPERATING, "end", worlds.WITH_REPS),
    Scene(OPERATING, "handover", worlds.HAND_OVER),
    Scene(OPERATING, "lane reset-clock", worlds.clock_was_ahead),
    Scene(OPERATING, "park, unpark", worlds.ONE_TO_PARK),
    Scene(OPERATING, "parked", worlds.ONE_TO_PARK),
    Scene(OPERATING, "pause, resume", worlds.WITH_REPS),
    Scene(OPERATING, "retry", worlds.UNMATCHED),
    Scene(OPERATING, "status", worlds.WITH_REPS),
    Scene(OPERATING, "What is kept for how long", worlds.WITH_REPS),
    Scene(OPERATING, "leads restamp", worlds.SHIFTED),
    Scene("docs/replay.md", setting=worlds.REPLAYED),
    Scene("docs/rules.md", "The routing rules", worlds.MISTAKEN, {"lead-router rules check": 1}),
    Scene("docs/rules.md", "Trying a lead", worlds.TRYING),
)
