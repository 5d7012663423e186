"""A batch of leads as it comes in pieces: JSON lines or one JSON array, read in bounded memory, each lead judged alone.

Pure. What ends a batch early (`stop`) leaves the leads before it as they were read.
"""

import codecs
import json
from dataclasses import dataclass
from enum import Enum, auto
from typing import NamedTuple, Protocol

from router.domain.lead_in import LeadIn
from router.intake.json_lead import FieldError, JsonLeadReader, NotALead
from router.intake.json_text import MAX_DEPTH, may_be_too_deep, read_json, read_json_at, too_deep

MAX_LINES = 50_000
MAX_LINE = 1_000_000
"""Characters of one lead."""


class Line(NamedTuple):
    """One lead of a batch, or what is wrong with it; `number` counts from 1."""

    number: int
    lead: LeadIn | None
    errors: tuple[FieldError, ...] = ()


class StopKind(Enum):
    """Why the rest of a batch is not read."""

    BROKEN = auto()
    TOO_MANY = auto()


@dataclass(frozen=True, slots=True)
class Stop:
    """Why, and the reason in words."""

    kind: StopKind
    reason: str


class BatchLines(Protocol):
    """Reads a batch. After `stop` is set nothing more is read."""

    stop: Stop | None

    def feed(self, piece: bytes) -> list[Line]:
        """The leads that are complete now."""
        ...

    def finish(self) -> list[Line]:
        """Those that the end of the body completes."""
        ...


class _Lines:
    """What both forms share: numbers, the limit of lines, and one lead's judgement."""

    def __init__(self, reader: JsonLeadReader, max_lines: int = MAX_LINES, max_line: int = MAX_LINE) -> None:
        self._reader = reader
        self._max_lines = max_lines
        self._max_line = max_line
        self._number = 0
        self.stop: Stop | None = None

    def _next(self) -> bool:
        """Counts one more; False = that is one too many."""
        if self._number >= self._max_lines:
            self.stop = Stop(StopKind.TOO_MANY, f"at most {self._max_lines:,} leads are taken at once")
            return False
        self._number += 1
        return True

    def _judged(self, value: object, text: str) -> Line:
        if may_be_too_deep(text) and too_deep(value):
            return self._wrong(f"is nested too deeply; at most {MAX_DEPTH} levels")
        try:
            return Line(self._number, self._reader.read(value))
        except NotALead as error:
            return Line(self._number, None, tuple(error.errors))

    def _wrong(self, reason: str) -> Line:
        return Line(self._number, None, (FieldError((), reason),))


class JsonLines(_Lines):
    """One JSON object a line. Empty lines count, and are no leads."""

    _rest: list[bytes]
    _size = 0

    def __init__(self, reader: JsonLeadReader, max_lines: int = MAX_LINES, max_line: int = MAX_LINE) -> None:
        super().__init__(reader, max_lines, max_line)
        self._rest = []

    def feed(self, piece: bytes) -> list[Line]:
        first, *others = piece.split(b"\n")
        self._keep(first)
        found = []
        for other in others:
            if self.stop is not None:
                break
            found += self._ended()
            self._keep(other)
        return found

    def finish(self) -> list[Line]:
        return self._ended() if self._size and self.stop is None else []

    def _keep(self, part: bytes) -> None:
        """Of a line that is too long only its length is kept."""
        self._size += len(part)
        if self._size > self._max_line:
            self._rest.clear()
        elif part:
            self._rest.append(part)

    def _ended(self) -> list[Line]:
        line, size = b"".join(self._rest), self._size
        self._rest, self._size = [], 0
        if not self._next():
            return []
        if size > self._max_line:
            return [self._wrong(f"is longer than {self._max_line:,} bytes")]
        if self._number == 1:
            line = line.removeprefix(codecs.BOM_UTF8)
        return [self._read(line)] if line.strip() else []

    def _read(self, line: bytes) -> Line:
        try:
            text = line.decode()
            return self._judged(read_json(text), text)
        except UnicodeDecodeError as error:
            return self._wrong(f"is not UTF-8 at byte {error.start}")
        except ValueError as error:
            return self._wrong(f"is not JSON: {error}")
        except RecursionError:
            return self._wrong(f"is nested too deeply; at most {MAX_DEPTH} levels")


_SPACE = " \t\r\n"
# Finds the end of an element that is refused for what strict reading refuses.
_LENIENT = json.JSONDecoder(parse_int=str, parse_float=str)
_NEAR_END = 16


class _IncompleteError(Exception):
    """More of the body is needed."""


class JsonArray(_Lines):
    """One JSON array of objects."""

    def __init__(self, reader: JsonLeadReader, max_lines: int = MAX_LINES, max_line: int = MAX_LINE) -> None:
        super().__init__(reader, max_lines, max_line)
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._parts: list[str] = []
        self._size = 0
        self._wanted = 1
        self._begun = self._ended = self._after_comma = False

    def feed(self, piece: bytes) -> list[Line]:
        return self._fed(piece, last=False)

    def finish(self) -> list[Line]:
        return self._fed(b"", last=True)

    def _fed(self, piece: bytes, *, last: bool) -> list[Line]:
        if self.stop is not None:
            return []
        try:
            text = self._decoder.decode(piece, final=last)
        except UnicodeDecodeError:
            return self._break("the body is not UTF-8")
        self._parts.append(text)
        self._size += len(text)
        # An element that is not complete is tried again only when there is twice as much of it.
        if self._size < self._wanted and not last:
            return []
        return self._elements("".join(self._parts), last=last)

    def _elements(self, text: str, *, last: bool) -> list[Line]:
        found: list[Line] = []
        at = 0
        try:
            at = self._opened(text)
            while self.stop is None and not self._ended:
                at = self._element(text, at, found, last=last)
            if self._ended and text[at:].strip(_SPACE):
                self._break("something follows the array")
        except _IncompleteError as incomplete:
            at = incomplete.args[0]
            if last:
                self._break("the body ends within the array: it was cut off" if self._begun else "the body is empty")
            elif len(text) - at > self._max_line:
                self._break(f"lead {self._number + 1:,} is longer than {self._max_line:,} characters")
        rest = text[at:]
        self._parts, self._size, self._wanted = [rest], len(rest), 2 * len(rest) + 1
        return found

    def _opened(self, text: str) -> int:
        """Where the elements begin."""
        if self._begun:
            return 0
        at = _after_space(text, 0)
        if text[at] != "[":
            self._break("the body must be a JSON array of leads")
        self._begun = True
        return at + 1

    def _element(self, text: str, begin: int, found: list[Line], *, last: bool) -> int:
        """One element with what separates it from the next; returns where that begins."""
        at = _after_space(text, begin)
        if text[at] == "]" and not self._after_comma:
            self._ended = True
            return at + 1
        value, end, reason = self._value(text, at, last=last)
        if self.stop is not None:
            return at
        after = _after_space(text, end, begin)
        if text[after] not in ",]":
            self._break(f"after lead {self._number + 1:,} a comma or the end of the array is expected")
            return at
        if not self._next():
            return at
        found.append(self._wrong(f"is not JSON: {reason}") if reason else self._judged(value, text[at:end]))
        self._ended, self._after_comma = text[after] == "]", text[after] == ","
        return after + 1

    def _value(self, text: str, at: int, *, last: bool) -> tuple[object, int, str]:
        """The value, its end, and why it is refused though it ends."""
        try:
            try:
                return *read_json_at(text, at), ""
            except json.JSONDecodeError:
                raise
            except ValueError as error:
                return None, _LENIENT.raw_decode(text, at)[1], str(error)
        except json.JSONDecodeError as error:
            ends_within = error.msg.startswith("Unterminated string") or error.pos > len(text) - _NEAR_END
            if ends_within and not last:
                raise _IncompleteError(at) from None
            cut_off = last and ends_within
            words = "the body ends within it: it was cut off" if cut_off else f"{error.msg}"
            self._break(f"lead {self._number + 1:,} is not JSON: {words}")
        except RecursionError:
            self._break(f"lead {self._number + 1:,} is nested too deeply")
        return None, at, ""

    def _break(self, reason: str) -> list[Line]:
        self.stop = self.stop or Stop(StopKind.BROKEN, reason)
        return []


def _after_space(text: str, at: int, begin: int | None = None) -> int:
    """Where something begins. Raises _IncompleteError with the place to go on from."""
    start = at
    while at < len(text) and text[at] in _SPACE:
        at += 1
    if at == len(text):
        raise _IncompleteError(start if begin is None else begin)
    return at
