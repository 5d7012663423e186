"""In which encoding a file of text is: UTF-8, UTF-16 (with and without a mark), or one that `encoding_guess` knows."""

import codecs
import re
import sys
from collections.abc import Sequence
from itertools import islice
from typing import IO

from router.domain.worded import worded
from router.intake.encoding_guess import guess

_EVIDENCE = 1 << 20
"""Bytes of lines with other than ASCII that decide when the file is not clean UTF-8."""
START = 1 << 16

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_NAMES = {
    "utf-8": "UTF-8",
    "utf-8-sig": "UTF-8 with byte order mark",
    "utf-16": "UTF-16",
    "utf-16-le": "UTF-16 without byte order mark",
    "utf-16-be": "UTF-16 (big-endian) without byte order mark",
    "gb18030": "GB18030",
    "big5": "Big5",
    "cp949": "EUC-KR",
    "cp932": "Shift-JIS",
    "euc_jp": "EUC-JP",
    "cp874": "CP874",
    **{f"cp125{number}": f"windows-125{number}" for number in range(9)},
}
_FEW, _SELDOM = 3, 20
_ASCII = bytes(range(128))
_WORD = re.compile(r"[^ \t\r\n,;|\"]{1,100}")
_WORDS_LOOKED_AT = 20_000

BAD_BYTE = "\udcff"
CARRIED = "lead-router-carried"
"""Error handler: what cannot be decoded goes into the text as lone surrogates, and comes out as it was."""


class EncodingUnknown(ValueError):
    """The name is not that of an encoding of text."""


class EncodingUnclear(ValueError):
    """The text could be in several encodings, or is in none; the message says which are likely."""

    def __init__(self, likely: Sequence[str]) -> None:
        self.likely = likely
        names = ", ".join(display_name(name) for name in likely[:4])
        example = display_name(likely[0]).lower() if likely else "windows-1252"
        said = worded("is not UTF-8, and its encoding cannot be recognised with certainty")
        if names:
            said += worded(" (likely: {names})", names=names)
        super().__init__(
            said
            + worded(
                "; name it with {option}, e.g. {example}, and look at the first rows with {check}; or save the file as "
                "CSV in UTF-8",
                option="--encoding",
                example=f"--encoding {example}",
                check="--check",
            )
        )


def text_encoding(name: str) -> str:
    """The encoding of that name, as Python calls it. Raises EncodingUnknown."""
    try:
        found = codecs.lookup(name).name
        "a".encode(found)
    except (LookupError, UnicodeError, ValueError, TypeError):
        raise EncodingUnknown(
            worded(
                "{name} is not a known encoding; use utf-8, gb18030, utf-16, or e.g. windows-1252, big5, shift_jis",
                name=repr(name),
            )
        ) from None
    return found


def display_name(encoding: str) -> str:
    """The encoding for people."""
    return _NAMES.get(encoding, encoding)


def of_start(start: bytes) -> str | None:
    """The encoding that the first START bytes of a file show, as a name for `codecs`; None = UTF-8 or GB18030."""
    return next((encoding for mark, encoding in _MARKS if start.startswith(mark)), None) or _wide(start)


def of_damaged(file: IO[bytes]) -> str:
    """The encoding of a file, at its start, that is not valid UTF-8 and of which `of_start` returns nothing.

    A file that is mostly UTF-8 with damage here and there is UTF-8: its bad lines are found when they are read.
    Raises EncodingUnclear.
    """
    lines = _evidence(file)
    as_utf8 = len(lines.decode("utf-8", "ignore").encode().translate(None, _ASCII))
    others = len(lines.translate(None, _ASCII))
    if 10 * as_utf8 >= 9 * others:
        if 2 * _damaged(lines) <= lines.count(b"\n"):
            return "utf-8"
        # Many pairs of bytes of East Asia are characters of UTF-8, too: a few words of them may nearly be UTF-8.
        likely = guess(lines)
        raise EncodingUnclear(tuple(filter(None, dict.fromkeys((likely.encoding, *likely.likely, "utf-8")))))
    found = guess(lines)
    if found.encoding is None:
        file.seek(0)
        if b"\0" in file.read(START):
            # No text at all, which is said when it is read.
            return "utf-8"
        raise EncodingUnclear(found.likely)
    return found.encoding


def encoded_twice(text: str) -> str | None:
    """A word of the text that was encoded in UTF-8 twice (`MÃ¼ller`), where most that is not ASCII is such."""
    seen = twice = 0
    example = None
    for found in islice(_WORD.finditer(text), _WORDS_LOOKED_AT):
        if found[0].isascii():
            continue
        seen += 1
        try:
            found[0].encode("cp1252").decode()
        except UnicodeError:
            continue
        twice += 1
        example = example or found[0]
    return example if 2 * twice > seen else None


def _wide(start: bytes) -> str | None:
    """UTF-16 without a mark: signs, digits, ends of lines have a NUL each, on one side. A NUL or two are damage."""
    first, second = start[0::2].count(0), start[1::2].count(0)
    limit = max(first, second)
    if limit < max(_FEW, len(start) // 2 // _SELDOM) or limit <= 2 * min(first, second):
        return None
    encoding = "utf-16-le" if second > first else "utf-16-be"
    text = start.decode(encoding, errors="ignore")
    return encoding if "\n" in text or "\r" in text else None


def _evidence(file: IO[bytes]) -> bytes:
    """Lines that hold more than ASCII, up to a limit."""
    found: list[bytes] = []
    size = 0
    while size < _EVIDENCE and (line := file.readline(START)):
        if not line.isascii():
            found.append(line)
            size += len(line)
    return b"".join(found)


def _damaged(lines: bytes) -> int:
    """How many lines are not UTF-8."""
    bad = 0
    for line in lines.splitlines():
        try:
            line.decode()
        except UnicodeDecodeError:
            bad += 1
    return bad


def _carried(error: UnicodeError) -> tuple[str | bytes, int]:
    if isinstance(error, UnicodeDecodeError):
        bad = error.object[error.start : error.end]
        # ASCII cannot stand for itself inside a broken character; it is taken again where that is possible.
        length = next((place for place, byte in enumerate(bad) if byte < 128), len(bad))
        if length:
            return "".join(chr(0xDC00 + byte) for byte in bad[:length]), error.start + length
        return BAD_BYTE, error.end
    if isinstance(error, UnicodeEncodeError):
        return _uncarried(error), error.end
    raise error


def _uncarried(error: UnicodeEncodeError) -> bytes:
    wrong = error.object[error.start : error.end]
    encoding = error.encoding.lower().replace("_", "-")
    if encoding.startswith(("utf-16", "utf-32")):
        # As itself: half a character, which is as wrong when it is read again.
        order = "be" if encoding.endswith("be") or (sys.byteorder == "big" and encoding[-2:] != "le") else "le"
        return wrong.encode(f"{encoding[:6]}-{order}", "surrogatepass")
    codes = map(ord, wrong)
    return b"".join(bytes([code - 0xDC00]) if 0xDC80 <= code <= 0xDCFF else b"?" for code in codes)


codecs.register_error(CARRIED, _carried)
