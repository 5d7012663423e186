"""Why a file of leads is refused as a whole: what no single row can be blamed for. All of it raises FileUnusable."""

from pathlib import Path
from typing import NoReturn

from router.domain.worded import worded
from router.intake import encoding as encodings
from router.intake.encoding import EncodingUnclear
from router.intake.text_lines import FileUnusable


def refuse_unreadable(path: Path, source: Path, encoding: str, rows: int, bad: int) -> None:
    """Where most rows are not valid: a wrong encoding is no matter of single rows. `source` is the text of `path`."""
    if 2 * bad <= rows:
        return
    with source.open("rb") as file:
        try:
            likely = encodings.display_name(encodings.of_damaged(file))
        except EncodingUnclear as error:
            likely = ", ".join(map(encodings.display_name, error.likely[:3]))
    name = encodings.display_name(encoding)
    raise FileUnusable(
        worded(
            "{file}: {bad:,} of {rows:,} rows are not valid {encoding}; nothing was read. It is probably {likely}: "
            "name it with {option}, or let it be detected",
            file=path,
            bad=bad,
            rows=rows,
            encoding=name,
            likely=likely or worded("in another encoding"),
            option="--encoding",
        )
    )


def refuse_cut_off(path: Path, line: int) -> NoReturn:
    """Where it ends in the middle of a line."""
    raise FileUnusable(
        worded(
            "{file}:{line}: the file ends in the middle of this line: it was cut off; get it again, whole",
            file=path,
            line=line,
        )
    )
