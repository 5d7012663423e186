"""What the commands about rules share: reading a file, and reporting what was found in it."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from ops.cli.context import CannotRun, Found, cannot_read, console, print_json
from ops.documents.rules import line_of
from router.domain.lint import Finding, Level
from router.domain.phrases import count
from router.domain.ruleset_diff import Change
from router.intake.text_decoding import decoded
from router.rules.document import read_file
from router.rules.file import RulesFile, read_rules
from router.rules.lists import ReadList, lists_beside
from router.rules.problems import InvalidFile
from router.store import rulesets as store

CHANGES_SHOWN = 50
FINDINGS_SHOWN = 50

file_argument = click.argument("file", type=click.Path(path_type=Path))


class Refused(Found):
    """The file holds no valid rules; with `as_json` its problems are a document instead of text."""

    def __init__(self, file: Path, error: InvalidFile, as_json: bool) -> None:
        super().__init__(str(error))
        self.error = error
        self.document = {"file": str(file), "ok": False, "problems": [asdict(p) for p in error.problems]}
        self._as_json = as_json

    def show(self, file: Any = None) -> None:
        if self._as_json:
            print_json(self.document)
        else:
            # Not click's "Error: ": each line begins with file and line, so that editors can jump there.
            click.echo(self.format_message(), err=True)


@dataclass(frozen=True, slots=True)
class ReadRules:
    """A rules file that can be read: its place, its text, and its rules."""

    file: Path
    source: str
    rules: RulesFile

    @property
    def lists(self) -> ReadList:
        """The lists as they are on disk."""
        return lists_beside(self.file, decoded)

    def line(self, path: str) -> int:
        """The line of a field, or of the nearest field around it; 1 where there is none."""
        return line_of(self.rules, path)


def read(file: Path, as_json: bool) -> ReadRules:
    """Raises CannotRun, and Refused with the file's problems."""
    try:
        source = read_file(file)
        return ReadRules(file, source, read_rules(source, str(file), lists_beside(file, decoded)))
    except (OSError, ValueError) as error:
        if isinstance(error, InvalidFile):
            raise Refused(file, error, as_json) from error
        if isinstance(error, OSError):
            raise cannot_read(file, error) from error
        raise CannotRun(f"{file}: {error}") from error


def print_findings(read_rules: ReadRules, findings: Iterable[Finding]) -> None:
    """Each on a line that begins with file and line; the sure ones first."""
    ordered = sorted(findings, key=lambda found: (list(Level).index(found.level), read_rules.line(found.path)))
    for found in ordered[:FINDINGS_SHOWN]:
        where = f"{read_rules.file}:{read_rules.line(found.path)}: {found.level}"
        of_rule = f'rule "{found.rule}", ' if found.rule else ""
        # A path of a rule counts from 0; its name and line say more.
        field = found.path.partition("].")[2] if found.rule else found.path
        say(": ".join(filter(None, [where, (of_rule + field).removesuffix(", "), found.message])))
    if len(ordered) > FINDINGS_SHOWN:
        say(f"… and {count(len(ordered) - FINDINGS_SHOWN, 'more finding')} (--json shows all)")


def print_changes(changes: Sequence[Change]) -> None:
    for change in changes[:CHANGES_SHOWN]:
        say(str(change))
    if len(changes) > CHANGES_SHOWN:
        say(f"… and {count(len(changes) - CHANGES_SHOWN, 'more change')} (--json shows all)")


def say(line: str) -> None:
    console().print(line)


def now_active(applied: store.Applied) -> str:
    if applied.version == applied.previous:
        return f"no change: ruleset version {applied.version} is already active"
    return f"{count(len(applied.changes), 'change')}; ruleset version {applied.version} is now active"
