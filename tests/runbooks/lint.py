"""What is wrong with a runbook: its form, its commands against the real command line, its placeholders and links."""

import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

import click

from ops.cli import main
from ops.doctor.look import COULD_NOT_CHECK, all_checks
from ops.doctor.outside import DATABASE_UNUSABLE
from ops.runbooks.library import runbooks_root
from ops.runbooks.page import Command, Language, NotInForm, Page, Purpose, blocks, filled, placeholders, read_page
from router.runtime import health

ROOT = Path(__file__).parents[2]
README = runbooks_root() / "README.md"
CODES = {*all_checks(), COULD_NOT_CHECK, DATABASE_UNUSABLE, *health.CODES.values(), health.SERVICE_FAILING}
"""Of findings."""
OURS = "lead-router"
OTHER_PROGRAMS = {"chronyc", "curl", "date", "df", "kill", "sqlite3"}
FROM_ANYWHERE = {"TENANT", "LEAD"}
"""Placeholders that every page may use: README says where they are found."""

_ROW = re.compile(r"^\| `(?P<name>[A-Z_]+)` \| (?P<meaning>[^|]+) \| `(?P<example>[^|]+)` \|$", re.MULTILINE)
_INLINE = re.compile(r"`(lead-router [^`\n]+)`")
_PROMPT = re.compile(r"^ *\$ (lead-router [^\n#]+)", re.MULTILINE)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_FENCED = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
_WANTS = {"Verify": Purpose.CHECK, "Confirm recovery": Purpose.VERIFY}
_MAY_HAVE = {"Mitigation": {Purpose.CHECK, Purpose.FIX}, "Confirm recovery": {Purpose.VERIFY}}


def examples() -> Mapping[str, str]:
    """An example of each placeholder, as README has it."""
    return {row["name"]: row["example"] for row in _ROW.finditer(README.read_text(encoding="utf-8"))}


def problems(name: str, text: str, folder: Path) -> list[str]:
    """What is wrong with the page of this name and text in `folder`; empty = nothing."""
    try:
        page = read_page(name, text)
    except NotInForm as error:
        return [str(error)]
    return [*_of_blocks(page), *_of_commands(page), *_of_placeholders(page), *dead_links(text, folder)]


def _of_blocks(page: Page) -> Iterator[str]:
    for section, purpose in _WANTS.items():
        if not any(one.section == section and one.purpose == purpose for one in page.commands):
            yield f"{section}: no command tagged {purpose}"
    for one in page.commands:
        if one.purpose not in _MAY_HAVE.get(one.section, {Purpose.CHECK}):
            yield f"{one.section}: '{one.text}' is tagged {one.purpose}"
    for section, body in page.sections.items():
        for info, lines in blocks(body):
            if info.split(" ")[0] != "text" and info.partition(" ")[2] not in set(Purpose):
                yield f"{section}: the block of '{lines[0] if lines else ''}' says '{info}', not what it is for"


def _of_commands(page: Page) -> Iterator[str]:
    for one in page.commands:
        if one.language is Language.SHELL:
            yield from (f"{one.section}: {wrong}" for wrong in _not_typed(one))
    for text in _INLINE.findall(_FENCED.sub("", page.text)):
        yield from _not_ours(text, named=True)


def _not_typed(command: Command) -> Iterator[str]:
    program = command.text.split(maxsplit=1)[0]
    if program == OURS:
        yield from _not_ours(command.text)
    elif program not in OTHER_PROGRAMS:
        yield f"'{command.text}': {program} is no program that runbooks use"


def _not_ours(text: str, *, named: bool = False) -> Iterator[str]:
    """Why the real command line would refuse it. `named` = a sentence may name a command without its arguments."""
    try:
        words = shlex.split(filled(text, {**{name: name for name in placeholders(text)}, **examples()}), comments=True)
        parse(words[1:], named=named)
    except (click.ClickException, ValueError) as error:
        wrong = error.format_message() if isinstance(error, click.ClickException) else str(error)
        yield f"'{text}': {wrong}"


def parse(words: list[str], *, named: bool = False) -> None:
    """Raises click.UsageError for a command, option or argument that does not exist."""
    command: click.Command = main
    with click.Context(main) as ctx:
        while isinstance(command, click.Group) and words and not words[0].startswith("-"):
            name, found, words = command.resolve_command(ctx, words)
            if found is None:
                raise click.UsageError(f"no command {name}")
            command = found
        if words or not named:
            _parse_options(command, words, ctx)


def _parse_options(command: click.Command, words: list[str], ctx: click.Context) -> None:
    try:
        command.make_context(command.name or "", words, parent=ctx)
    except click.BadParameter as error:
        # A file of an example need not be there.
        if "does not exist" not in error.message:
            raise


def commands_of(text: str) -> list[str]:
    """The commands of a text that is no page (README): after a prompt, and in the lines."""
    return [*(one.strip() for one in _PROMPT.findall(text)), *_INLINE.findall(_FENCED.sub("", text))]


def wrong_commands(text: str) -> list[str]:
    """Those of `commands_of` that the command line would refuse, with why."""
    return [wrong for one in commands_of(text) for wrong in _not_ours(one, named=True)]


def _of_placeholders(page: Page) -> Iterator[str]:
    known = examples()
    used = {name for one in page.commands for name in placeholders(one.text)}
    nested = {name for where in page.fill_in.values() for name in placeholders(where) if name in known}
    inline = {name for text in _INLINE.findall(page.text) for name in placeholders(text)}
    for name in sorted(used | page.fill_in.keys()):
        if name not in known:
            yield f"{name} is not in the table of {README.name}"
        elif name not in page.fill_in and name not in FROM_ANYWHERE:
            yield f"{name} is not under 'Fill in': where is it found?"
    for name in sorted(page.fill_in.keys() - used - nested - inline):
        yield f"{name} is under 'Fill in', and no command has it"


def dead_links(text: str, folder: Path) -> list[str]:
    """Links of a page in `folder` that lead to no file, or to no heading of it."""
    dead = []
    for link in _LINK.findall(_FENCED.sub("", text)):
        path, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", link):
            continue
        target = (folder / path).resolve() if path else None
        there = text if target is None else target.read_text(encoding="utf-8") if target.is_file() else None
        if (there is None and not (target and target.is_dir())) or (anchor and anchor not in _anchors(there or "")):
            dead.append(f"dead link {link}")
    return dead


def _anchors(text: str) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", _FENCED.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}
