"""What a page shows of a terminal: its commands, and whether what they print is what the page says. Pure.

In a block ```` ```console ```` a line that begins with `$ ` is a command (a backslash at its end continues it); the
lines up to the next command are its output. A line `…` stands for any lines, `…` within a line for any text. Times,
dates, durations and rates may be others, and columns wider.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

OMITTED = "…"
_FENCE = re.compile(r"^(?P<indent> *)```(?P<info>[^\n`]*)\n(?P<body>.*?)^ *```$", re.MULTILINE | re.DOTALL)
_PROMPT = re.compile(r"^\$ (.*)$")
_VOLATILE = (
    re.compile(
        r"(?:\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) |周[一二三四五六日] ?)?"
        r"\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d)?)?(?: UTC)?"
    ),
    re.compile(r"\d{8}T\d{6}Z"),
    re.compile(r"\d{4}年\d{1,2}月\d{1,2}日(?: \d\d:\d\d(?::\d\d)?)?"),
    re.compile(r"[\d,.]+(?= (?:rows|leads)/s)"),
    re.compile(r"\b\d+ d(?: \d+ h)?\b|\b\d+ h \d+ min\b|\b\d+ min\b|\b\d+(?:\.\d+)? m?s\b"),
)


@dataclass(frozen=True, slots=True)
class Step:
    """A command of a page, what the page shows of its output, and the lines (from 0) of that output in the page."""

    command: str
    shown: tuple[str, ...]
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: what stands behind the fence, its lines, and the number (from 0) of the first of them."""

    info: str
    lines: tuple[str, ...]
    first: int

    @property
    def language(self) -> str:
        return self.info.partition(" ")[0]


def blocks(text: str) -> Iterator[Block]:
    """All fenced blocks of a page, without the indentation of those within lists."""
    for found in _FENCE.finditer(text):
        first = text.count("\n", 0, found.start("body"))
        lines = (line.removeprefix(found["indent"]) for line in found["body"].splitlines())
        yield Block(found["info"].strip(), tuple(lines), first)


def steps(block: Block) -> Iterator[Step]:
    """The commands of a console block, in order."""
    at = 0
    while at < len(block.lines):
        if not (prompt := _PROMPT.match(block.lines[at])):
            at += 1
            continue
        command = [prompt[1]]
        while command[-1].endswith("\\"):
            at += 1
            command.append(block.lines[at])
        first = at = at + 1
        while at < len(block.lines) and not _PROMPT.match(block.lines[at]):
            at += 1
        shown = _trimmed(block.lines[first:at])
        yield Step("\n".join(command), shown, block.first + first, block.first + first + len(shown))


def steps_of(text: str) -> list[Step]:
    """The commands of all console blocks of a page, or of a part of one."""
    return [step for block in blocks(text) if block.language == "console" for step in steps(block)]


def _trimmed(lines: Sequence[str]) -> tuple[str, ...]:
    end = len(lines)
    while end and not lines[end - 1].strip():
        end -= 1
    return tuple(lines[:end])


def pattern(shown: str) -> re.Pattern[str]:
    """What a line of output must be for the page's line to be true of it."""
    parts = (re.escape(masked(part)) for part in shown.split(OMITTED))
    return re.compile(".*".join(parts))


def masked(line: str) -> str:
    """A line without what differs each time: times, dates, durations and rates; columns two spaces apart."""
    for one in _VOLATILE:
        line = one.sub("#", line)
    return re.sub(r" {2,}", "  ", line.rstrip())


def matches(shown: Sequence[str], printed: Sequence[str]) -> bool:
    """Whether a command that printed these lines did what the page shows."""
    return _match([line.strip() for line in shown], list(shown), [masked(line) for line in _trimmed(printed)])


def _match(bare: list[str], shown: list[str], printed: list[str]) -> bool:
    if not shown:
        return not printed
    if bare[0] == OMITTED:
        return any(_match(bare[1:], shown[1:], printed[at:]) for at in range(len(printed) + 1))
    return bool(printed and pattern(shown[0]).fullmatch(printed[0])) and _match(bare[1:], shown[1:], printed[1:])


def rewritten(text: str, printed: Mapping[Step, Sequence[str]]) -> str:
    """The page with what its commands really print, where what it shows is not true. A block that omits something is
    then to be shortened again by hand.
    """
    lines = text.splitlines()
    for step, output in sorted(printed.items(), key=lambda item: -item[0].first):
        if not matches(step.shown, output):
            lines[step.first : step.last] = [line.rstrip() for line in _trimmed(output)]
    return "\n".join(lines) + "\n"
