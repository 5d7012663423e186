"""What starting a command costs: short help must not read the commands."""

import gc
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from ops.cli import main
from ops.cli.commands import SECTIONS
from ops.cli.family import Family, Later, first_example
from router.runtime.garbage import modules_are_read

HEAVY = {
    "numpy",
    "opentelemetry",
    "phonenumbers",
    "holidays",
    "redis",
    "rich",
    "aiohttp",
    "psutil",
}
SLOW_TO_READ = {*HEAVY, "asyncpg", "asyncio", "structlog", "yaml", "msgspec", "importlib.metadata"}


def later(family: Family, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Later]]:
    """All commands, with the words that call them."""
    for name, command in family.commands.items():
        if isinstance(command, Family):
            yield from later(command, (*words, name))
        else:
            assert isinstance(command, Later)
            yield (*words, name), command


COMMANDS = dict(later(main))


def read_by(*words: str) -> set[str]:
    """The modules that a command has read when it is done."""
    program = f"import sys\nsys.argv = {['lead-router', *words]!r}\nfrom ops.cli import main\n" + (
        "try:\n    main()\nfinally:\n    print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    return set(done.stderr.split())


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_the_help_of_a_family_says_of_a_command_what_its_own_help_says(words: tuple[str, ...]) -> None:
    found = COMMANDS[words]
    assert found.get_short_help_str(1000) == found.read().get_short_help_str(1000)


@pytest.mark.parametrize("words", [(), ("reps",), ("rules",), ("leads", "synonyms"), ("customers",)], ids=" ".join)
def test_help_comes_at_once(words: tuple[str, ...]) -> None:
    read = read_by(*words, "--help")
    assert not SLOW_TO_READ & read
    assert {name for name in read if name.startswith(("router", "ops"))} == {
        *("ops", "ops.cli", "ops.cli.commands", "ops.cli.family")
    }


def test_a_router_does_not_read_what_only_the_api_and_the_console_need() -> None:
    read = read_by("serve", "--help")
    assert "ops.daemon.services" in read
    assert not {"ops.api.operations", "ops.console.service", "jinja2"} & read


def test_no_garbage_is_looked_for_while_a_command_is_read_but_afterwards() -> None:
    looked: list[str] = []

    def look(phase: str, _info: dict[str, int]) -> None:
        looked.append(phase)

    gc.callbacks.append(look)
    try:
        with modules_are_read():
            kept: list[list[int]] = [[] for _ in range(100_000)]
            assert not looked
        assert gc.get_freeze_count() > len(kept)
        more: list[list[int]] = [[] for _ in range(100_000)]
    finally:
        gc.callbacks.remove(look)
    assert looked
    assert more


def test_the_help_has_every_command_once_and_cuts_none_of_its_sentences() -> None:
    assert sorted(name for names in SECTIONS.values() for name in names) == sorted(main.commands)
    shown = " ".join(CliRunner().invoke(main, ["--help"]).output.split())
    assert "..." not in shown.replace("LEAD_ROUTER_...", "").replace("[ARGS]...", "")
    assert all(f"{heading}:" in shown for heading in SECTIONS)


CHANGING = """
migrate, tenants add, tenants rename, tenants set, tenants remove, reps import, reps set, reps rollback, reps sync,
reps present, rules apply, rules rollback, leads import, leads undo-import, leads correct, leads end,
leads import-assignments, leads unmerge, leads restamp, leads synonyms import, customers import-owners, customers merge,
customers unmerge, drain, end, assign, handover, pause, resume, lane reset-clock, tokens create, tokens revoke,
sources add, sources set, sources rotate, sources remove, journal drain, journal forget, park, unpark, retry, cleanup,
serve, up, webhooks add, webhooks test, webhooks rotate, webhooks disable, webhooks enable, webhooks remove,
webhooks redeliver, notify test, connections end, maintenance run, doctor mute, doctor unmute
"""


def test_of_every_command_it_is_said_whether_it_only_reads() -> None:
    from ops.cli.reading import READING, READING_WITHOUT, place_of

    callbacks = {" ".join(words): one.read() for words, one in COMMANDS.items()}
    for name, command in list(callbacks.items()):
        if isinstance(command, click.Group):
            callbacks |= {f"{name} {of_it}": one for of_it, one in command.commands.items()}
    changing = set(" ".join(CHANGING.split()).split(", "))
    places = {name: place_of(one.callback) for name, one in callbacks.items()}
    reading = {name for name, place in places.items() if place in READING or place in READING_WITHOUT}
    assert reading | changing == set(places) and not reading & changing
    assert READING | READING_WITHOUT.keys() <= set(places.values())
    for name, place in places.items():
        options = {one.name for one in callbacks[name].params}
        assert place not in READING or not options & {"author", "why"}, f"{name} says why something is changed"
        assert set(READING_WITHOUT.get(place, ())) <= options


@pytest.mark.parametrize(
    ("words", "reads"),
    [
        (["why", "7"], True),
        (["end", "7", "--as", "won"], False),
        (["retry", "--reason", "lead_invalid", "--dry-run"], True),
        (["retry", "--reason", "lead_invalid"], False),
        (["blockers"], True),
        (["blockers", "--cancel", "77"], False),
        (["tenants", "events", "acme"], True),
        (["tenants", "events", "acme", "--off"], False),
        (["migrate", "--check"], True),
        (["doctor"], True),
        (["doctor", "mutes"], True),
    ],
)
def test_what_a_command_was_called_with_says_whether_it_only_reads(words: list[str], reads: bool) -> None:
    from ops.cli.reading import only_reads

    ctx = click.Context(main, info_name="lead-router")
    while words:
        group = ctx.command
        assert isinstance(group, click.Group)
        command = group.get_command(ctx, words[0])
        assert command is not None
        rest = words[1:]
        ctx = command.make_context(words[0], list(rest), parent=ctx)
        words = rest if isinstance(ctx.command, click.Group) and rest and rest[0] in ctx.command.commands else []
    assert only_reads(ctx) is reads
    assert not only_reads(None)


@pytest.mark.parametrize(
    ("words", "example"),
    [
        (["park", "4711"], 'Example: lead-router park 4711 --why "asked not to be called"'),
        (["why"], "Example: lead-router why 4711"),
        (["reps", "show"], "Example: lead-router reps show"),
        (["handover", "r1"], "Example: lead-router handover"),
        (["why", "7", "--tenat", "acme"], "Example: lead-router why 4711"),
    ],
    ids=" ".join,
)
def test_a_call_without_what_it_needs_shows_how_it_is_called(words: list[str], example: str) -> None:
    done = CliRunner().invoke(main, words)
    assert (done.exit_code, done.stdout) == (2, "")
    lines = done.stderr.splitlines()
    assert lines[0].startswith("Usage:") and lines[-2].startswith("Error: ") and lines[-1].startswith(example)


@pytest.mark.parametrize("words", [["statsu"], ["events", "--since", "yesterday"]], ids=" ".join)
def test_an_error_that_says_itself_what_is_right_has_no_example(words: list[str]) -> None:
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 2 and "Example:" not in done.output


def test_every_command_has_an_example_of_itself() -> None:
    for words, one in COMMANDS.items():
        example = first_example(one.read())
        assert example is not None and f"lead-router {words[0]}" in example, words


def test_a_misspelt_command_leads_to_the_right_one() -> None:
    assert "Did you mean one of: 'pause', " in CliRunner().invoke(main, ["paus"]).output.replace("\n", " ")
    said = " ".join(CliRunner().invoke(main, ["import"], prog_name="lead-router").output.split())
    assert "Did you mean lead-router reps import or lead-router leads import?" in said
    for words, meant in ((["help"], "lead-router"), (["help", "why"], "lead-router why"), (["reps", "help"], None)):
        said = " ".join(CliRunner().invoke(main, words, prog_name="lead-router").output.split())
        assert f"Did you mean {meant or 'lead-router reps'} --help?" in said


def test_settings_that_are_wrong_do_not_keep_anybody_from_the_help(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEAD_ROUTER_DRAIN_BATCH_LEADS", "many")
    assert CliRunner().invoke(main, ["status", "--help"]).exit_code == 0
    refused = CliRunner().invoke(main, ["status"])
    assert refused.exit_code == 2
    assert "LEAD_ROUTER_DRAIN_BATCH_LEADS is 'many', not" in refused.output
