"""Nothing is shown that nothing holds: each block of README and docs is run or compared by a test, or says why not."""

import re
import shlex

import click
import pytest

from ops.cli import main
from tests.e2e.commands import PROJECT
from tests.pages.coverage import BY_TEST, PAGES, UNCHECKED, shown
from tests.pages.transcript import blocks, steps
from tests.runbooks.lint import parse

SHOWN = list(shown())
_OURS = re.compile(r"(?:^|&& |\| | -- |[A-Z_]+=\S+ )lead-router (?P<words>[^\n]*)")
_SPAN = re.compile(r"`lead-router ([^`\n]+)`")
_FENCED = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)


def test_every_block_is_held_by_a_test_or_says_why_not() -> None:
    assert [one.named for one in SHOWN if not one.held_by and not one.why_not] == []


def test_no_block_is_said_to_be_unchecked_that_a_test_holds() -> None:
    assert [one.named for one in SHOWN if one.why_not and set(one.held_by) - {"commands"}] == []


def test_no_entry_is_of_a_block_that_is_gone() -> None:
    def used(page: str, start: str) -> bool:
        firsts = [one.block.lines[0].lstrip("$ ") for one in SHOWN if one.page == page and one.block.lines]
        return any(first.startswith(start.lstrip("$ ")) for first in firsts)

    assert [key for key in (*BY_TEST, *UNCHECKED) if not used(*key)] == []


def test_the_tests_that_are_named_are_there() -> None:
    assert [test for test in set(BY_TEST.values()) if not (PROJECT / test).is_file()] == []


def commands(page: str) -> list[str]:
    """Of lead-router, in the page's blocks."""
    found = []
    for block in blocks((PROJECT / page).read_text(encoding="utf-8")):
        lines = [one.command.replace("\\\n", " ") for one in steps(block)]
        if block.language in ("", "sh"):
            lines += [line for line in block.lines if line.startswith("lead-router ")]
        found += [match["words"] for line in lines if (match := _OURS.search(line))]
    return found


@pytest.mark.parametrize("page", PAGES)
def test_every_command_in_a_block_can_be_typed(page: str) -> None:
    for words in commands(page):
        _typed(words)


@pytest.mark.parametrize("page", PAGES)
def test_every_command_that_a_sentence_names_is_there(page: str) -> None:
    text = _FENCED.sub("", (PROJECT / page).read_text(encoding="utf-8"))
    for words in _SPAN.findall(text):
        # Up to the first that is a pattern: [--option], a | b, CAPITALS of a table.
        plain = re.split(r" ?\\?\||\[| (?=--)", words, maxsplit=1)[0].split()
        names = [word for word in plain if re.fullmatch(r"[a-z][a-z-]*", word)]
        if names and names[0] == plain[0]:
            _typed(" ".join(_subcommand(names)), named=True)


def _subcommand(names: list[str]) -> list[str]:
    command: click.Command = main
    path = list[str]()
    with click.Context(main) as ctx:
        for name in names:
            if not isinstance(command, click.Group):
                break
            _, found, _ = command.resolve_command(ctx, [name])
            assert found, f"no command {' '.join([*path, name])}"
            command = found
            path.append(name)
    return path


def _typed(words: str, *, named: bool = False) -> None:
    typed = shlex.split(words, comments=True)
    typed = [*typed[: typed.index("--")], "--", "true"] if "--" in typed else typed
    cut = next((at for at, word in enumerate(typed) if word in ("|", ">", "<", "&&", "||", ";")), len(typed))
    try:
        parse(typed[:cut], named=named)
    except click.ClickException as error:
        raise AssertionError(f"lead-router {words}: {error.format_message()}") from error
    except click.exceptions.Exit:
        pass


def test_every_target_of_make_that_a_page_names_is_there() -> None:
    there = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = set()
    for page in PAGES:
        text = (PROJECT / page).read_text(encoding="utf-8")
        named |= set(re.findall(r"(?:^\$ |`)make ([a-z-]+)", text, re.MULTILINE))
    assert named - there == set()
