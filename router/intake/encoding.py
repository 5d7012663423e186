"""In which of four encodings a text file is: UTF-8, UTF-16 (both with and without a mark), GB18030.

Libraries that guess among a hundred encodings read the whole file into memory, and take a long file with few Chinese
cells for something else now and then. Four candidates can be tried exactly, in constant memory.
"""

import codecs
import re
import sys
from typing import IO

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
}
_GB_PAIR = re.compile(rb"[\x81-\xfe][\x40-\x7e\x80-\xfe]")
_GB_COMMON = re.compile(rb"[\xa1-\xf7][\xa1-\xfe]")
_FEW, _SELDOM = 3, 20
_ASCII = bytes(range(128))

BAD_BYTE = "\udcff"
CARRIED = "lead-router-carried"
"""Error handler: what cannot be decoded goes into the text as lone surrogates, and comes out as it was."""


class EncodingUnknown(ValueError):
    """The name is not that of an encoding of text."""


def text_encoding(name: str) -> str:
    """The encoding of that name, as Python calls it. Raises EncodingUnknown."""
    try:
        found = codecs.lookup(name).name
        "a".encode(found)
    except (LookupError, UnicodeError, ValueError, TypeError):
        raise EncodingUnknown(
            f"{name!r} is not a known encoding; use utf-8, gb18030, utf-16, or e.g. windows-1252, big5, shift_jis"
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

    A file that is mostly UTF-8 with damage here and there, or in none of the four encodings, is UTF-8: its bad lines
    are found when they are read.
    """
    return "gb18030" if _looks_like_gb18030(_evidence(file)) else "utf-8"


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


def _looks_like_gb18030(lines: bytes) -> bool:
    """More so than like damaged UTF-8, and like text that somebody would write: common characters, hardly an error."""
    as_utf8 = len(lines.decode("utf-8", "ignore").encode().translate(None, _ASCII))
    others = len(lines.translate(None, _ASCII))
    if 10 * as_utf8 >= 9 * others:
        return False
    text = lines.decode("gb18030", "replace")
    pairs = _GB_PAIR.findall(lines)
    common = sum(_GB_COMMON.fullmatch(pair) is not None for pair in pairs)
    return 2 * common >= len(pairs) and 100 * text.count("\ufffd") <= len(pairs)


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
