"""Files that are not what their name says: workbooks, archives, folders, web pages."""

from pathlib import Path
from typing import IO

from router.intake.text_lines import FileUnusable

_KINDS = (
    (b"PK\x03\x04", "an Excel workbook or a ZIP archive; save it as CSV, or unpack it"),
    (b"PK\x05\x06", "an empty ZIP archive"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook; save it as CSV"),
    (b"\x1f\x8b", "compressed (gzip); unpack it"),
    (b"BZh91AY&SY", "compressed (bzip2); unpack it"),
    (b"\xfd7zXZ\0", "compressed (xz); unpack it"),
    (b"\x28\xb5\x2f\xfd", "compressed (zstd); unpack it"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive; unpack it"),
    (b"SQLite format 3\0", "a SQLite database"),
    (b"%PDF-", "a PDF"),
)
_PAGES = (b"<!doctype", b"<html", b"<?xml")


def refuse_what_is_no_text(path: Path, file: IO[bytes]) -> None:
    """Raises FileUnusable for a file that begins like something else."""
    start = file.read(512)
    for mark, kind in _KINDS:
        if start.startswith(mark):
            raise FileUnusable(f"{path}: is {kind}, whatever its name says")
    if start.removeprefix(b"\xef\xbb\xbf").lstrip().lower().startswith(_PAGES):
        raise FileUnusable(f"{path}: is a web page or XML; was a page saved instead of the download?")
