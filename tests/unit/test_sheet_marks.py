"""What the XML of a sheet says beside its values, also of sheets that somebody made to hurt."""

import io
import subprocess
import sys

import pytest

from router.intake.sheet_marks import sheet_marks


@pytest.mark.parametrize(
    ("cell", "found"),
    [
        (b'<c r="B2" s="1"><f>A1+1</f><v></v></c>', "B2"),
        (b'<c s="1" r="C3"><f>A1+1</f></c>', "C3"),
        (b'<x:c r="D4"><x:f t="shared" si="0"/><x:v/></x:c>', "D4"),
        (b'<c r="B2"><f>A1+1</f><v>3</v></c>', None),
        (b'<c r="B2" t="str"><f>A1&amp;""</f><v></v></c>', None),
        (b'<c r="B2"><v>3</v></c>', None),
    ],
)
def test_a_formula_that_was_never_calculated_is_found(cell: bytes, found: str | None) -> None:
    assert sheet_marks(io.BytesIO(b'<row r="1">' + cell + b"</row> f>")).uncalculated == found


@pytest.mark.parametrize("unit", [b"<c ", b'<c r="A1"', b'<c r="A1"><f ', b'<c r="A1"><f>x', b'<c r="A1" t="'])
def test_a_small_hostile_workbook_does_not_stop_the_process(unit: bytes) -> None:
    program = (
        "import io; from router.intake.sheet_marks import sheet_marks; "
        f"print(sheet_marks(io.BytesIO({unit!r} * 30_000 + b' f>')).uncalculated)"
    )
    # What grows faster than the file takes hours for this one.
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "None"
