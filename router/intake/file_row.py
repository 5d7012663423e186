"""A row of a file of leads, as it was read."""

from collections.abc import Mapping
from typing import NamedTuple

from router.domain.worded import said_by, worded
from router.intake.json_text import read_json
from router.intake.normalise import HOLDS_BAD_BYTES


class Row(NamedTuple):
    """One row. `line` is its first line in the file, from 1. `problem`: why it could not be read ("" = it was).

    `original` is what a rejects file says of it, under the columns of `LeadFile.original_columns`.
    """

    line: int
    cells: Mapping[str, object]
    original: list[str]
    problem: str = ""


def json_row(line: int, text: str) -> Row:
    """An object of NDJSON, its fields as they come."""
    original = [text]
    if not is_text(text):
        return Row(line, {}, original, HOLDS_BAD_BYTES)
    try:
        # Lines that were elements of an array once keep their commas.
        read = read_json(text.removesuffix(","))
    except (ValueError, RecursionError) as error:
        return Row(line, {}, original, worded("is not JSON: {why}", why=said_by(error)))
    if not isinstance(read, dict):
        return Row(line, {}, original, worded("is not a JSON object"))
    return Row(line, read, original)


def is_text(name: str) -> bool:
    """Whether all of it could be decoded: what could not is carried as lone surrogates."""
    return name.isascii() or not any("\ud800" <= character <= "\udfff" for character in name)
