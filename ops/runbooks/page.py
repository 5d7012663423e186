"""A runbook page: its sections, and the commands in them with what they are for. Pure."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

SECTIONS = (
    "Meaning",
    "Impact",
    "Verify",
    "Diagnosis",
    "Recent changes",
    "Mitigation",
    "Confirm recovery",
    "Escalation",
)
"""Of every page, in this order."""

_HEADING = re.compile(r"^## (.+)$")
_FENCE = re.compile(r"^ *```(?P<info>.*)$")
# What is in capitals in any text stands for itself.
_PLACEHOLDER = re.compile(r"(?<![\w.-])(?!LEAD_ROUTER|(?:CRM|UTC)\b)[A-Z][A-Z_]{2,}(?![\w.])")
_LINK = re.compile(r"\[([^\]]+)\]\([^)]+\)")
_FILL_IN = re.compile(r"^- `(?P<name>[A-Z_]+)`: (?P<where>.+)$", re.MULTILINE)


class Purpose(StrEnum):
    """What a fenced command is for: looking, curing, or seeing that it is cured."""

    CHECK = "check"
    FIX = "fix"
    VERIFY = "verify"


class Language(StrEnum):
    """Where a fenced command is typed: in a shell, or in psql."""

    SHELL = "sh"
    SQL = "sql"


class NotInForm(Exception):
    """Raised for a text that is not a page; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command as the page has it, without a comment behind it. `section` is the heading that it is under."""

    purpose: Purpose
    language: Language
    section: str
    text: str

    def document(self) -> dict[str, str]:
        """For machines."""
        return {
            "purpose": self.purpose,
            "language": self.language,
            "section": self.section,
            "command": self.text,
        }


@dataclass(frozen=True, slots=True)
class Page:
    """One page. `sections` are Markdown by heading, in their order; `fill_in` says of each placeholder of the commands
    where its value is found.
    """

    name: str
    text: str
    sections: Mapping[str, str]
    commands: Sequence[Command]
    fill_in: Mapping[str, str]

    @property
    def summary(self) -> str:
        """The first sentence of the meaning, without links."""
        words = " ".join(self.sections["Meaning"].split("\n\n", 1)[0].split())
        return _LINK.sub(r"\1", re.split(r"(?<=\.)\s", words, maxsplit=1)[0])

    def document(self) -> dict[str, Any]:
        """For machines."""
        return {
            "name": self.name,
            "summary": self.summary,
            "sections": dict(self.sections),
            "commands": [command.document() for command in self.commands],
            "fill_in": dict(self.fill_in),
        }


def read_page(name: str, text: str) -> Page:
    """The page of this name. Raises NotInForm where it has another title or the wrong sections."""
    if not text.startswith(f"# {name}\n"):
        raise NotInForm(f"the first line is not '# {name}'")
    found = list(_sections(text))
    if (headings := tuple(heading for heading, _ in found)) != SECTIONS:
        raise NotInForm(_differing(headings))
    sections = dict(found)
    if empty := [heading for heading, body in sections.items() if not body]:
        raise NotInForm(f"nothing under {', '.join(empty)}")
    commands = tuple(command for heading, body in sections.items() for command in _commands(heading, body))
    return Page(name, text, sections, commands, {one["name"]: one["where"] for one in _FILL_IN.finditer(text)})


def _differing(found: Sequence[str]) -> str:
    missing = [heading for heading in SECTIONS if heading not in found]
    unknown = [heading for heading in found if heading not in SECTIONS]
    if not missing and not unknown:
        return f"the sections are not in this order: {', '.join(SECTIONS)}"
    parts = {"no section": missing, "unknown:": unknown}
    return "; ".join(f"{words} {', '.join(headings)}" for words, headings in parts.items() if headings)


def _sections(text: str) -> Iterator[tuple[str, str]]:
    heading, body, fenced = "", list[str](), False
    for line in text.splitlines()[1:]:
        fenced ^= bool(_FENCE.match(line))
        if not fenced and (found := _HEADING.match(line)):
            yield from _unless_loose(heading, body)
            heading, body = found[1], []
        else:
            body.append(line)
    yield from _unless_loose(heading, body)


def _unless_loose(heading: str, body: Sequence[str]) -> Iterator[tuple[str, str]]:
    """What stands before the first heading is no section."""
    words = "\n".join(body).strip()
    if heading or words:
        yield heading or "(before the first heading)", words


def _commands(section: str, body: str) -> Iterator[Command]:
    for info, lines in blocks(body):
        language, _, purpose = info.partition(" ")
        if purpose not in set(Purpose):
            continue
        if language not in _READ:
            raise NotInForm(f"{section}: a {purpose} in {language or 'no language'}; there are {', '.join(_READ)}")
        typed_in, read = _READ[language]
        for text in read(lines):
            yield Command(Purpose(purpose), typed_in, section, text)


def blocks(markdown: str) -> Iterator[tuple[str, list[str]]]:
    """The fenced blocks: the words after the fence, and the lines without what they are indented by."""
    info: str | None = None
    lines: list[str] = []
    indent = 0
    for line in markdown.splitlines():
        fence = _FENCE.match(line)
        if fence and info is None:
            info, lines, indent = fence["info"].strip(), [], len(line) - len(line.lstrip())
        elif fence and info is not None:
            yield info, lines
            info = None
        elif info is not None:
            lines.append(line[indent:] if not line[:indent].strip() else line)


def _lines(lines: Sequence[str]) -> Iterator[str]:
    for line in lines:
        if words := re.sub(r"\s+#\s.*$", "", line).strip():
            yield words


def _statements(lines: Sequence[str]) -> Iterator[str]:
    for statement in "\n".join(lines).split(";"):
        if statement.strip():
            yield statement.strip()


def _after_prompts(lines: Sequence[str]) -> Iterator[str]:
    """The other lines are output."""
    return _lines([line.removeprefix("$ ") for line in lines if line.startswith("$ ")])


_READ: Mapping[str, tuple[Language, Callable[[Sequence[str]], Iterator[str]]]] = {
    "sh": (Language.SHELL, _lines),
    "console": (Language.SHELL, _after_prompts),
    "sql": (Language.SQL, _statements),
}


def placeholders(command: str) -> list[str]:
    """The words in capitals that stand for something, in their order."""
    return list(dict.fromkeys(_PLACEHOLDER.findall(command)))


def filled(command: str, values: Mapping[str, str]) -> str:
    """The command with these values instead of its placeholders. Raises KeyError for one that is not among them."""
    return _PLACEHOLDER.sub(lambda found: values[found[0]], command)
