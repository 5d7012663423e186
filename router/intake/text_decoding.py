"""The text of a small file, decoded and cut into cells like a file of leads: rosters, lists of values."""

import csv
import io
from collections.abc import Collection, Iterator

from router.intake import delimiter as delimiters
from router.intake import encoding as encodings
from router.intake.column_names import separator_line

_SAMPLE = 50
_SAMPLE_CHARACTERS = 1 << 18


def decoded(data: bytes) -> str:
    """The text, without a byte order mark. Raises EncodingUnclear, and UnicodeDecodeError for damaged bytes."""
    encoding = encodings.of_start(data[: encodings.START])
    if encoding is not None:
        return data.decode(encoding).removeprefix("\ufeff")
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode(encodings.of_damaged(io.BytesIO(data)))


def cells_of(text: str, known: Collection[str], longest: int) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of every record that is not blank; `known` are names that columns may have.

    Raises csv.Error.
    """
    first, end, rest = text.partition("\n")
    declared = separator_line(first + end)
    sample = io.StringIO((rest if declared else text)[:_SAMPLE_CHARACTERS], newline="")
    delimiter = declared or delimiters.detect([line for line, _ in zip(sample, range(_SAMPLE), strict=False)], known)
    # The limit is the process's; how long a cell may be is judged by its field.
    csv.field_size_limit(longest)
    reader = csv.reader(io.StringIO(rest if declared else text, newline=""), delimiter=delimiter, strict=True)
    skipped = 1 if declared else 0
    line = 1 + skipped
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise csv.Error(line, str(error)) from None
        if any(cell.strip() for cell in cells):
            yield line, cells
        line = reader.line_num + 1 + skipped
