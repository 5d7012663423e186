"""What a long-lived process does not use any more goes back to the system."""

import sys
from pathlib import Path

import pytest

from router.runtime.memory import find_trim

_BLOCKS = 40_000
_BLOCK = 3_000


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_free_memory_between_small_blocks_that_stay_goes_back_to_the_system() -> None:
    trim = find_trim()
    assert trim is not None
    blocks = [bytes(_BLOCK) for _ in range(_BLOCKS)]
    staying = blocks[::400]
    del blocks
    before = resident_bytes()
    trim()
    assert len(staying) == 100
    assert before - resident_bytes() > _BLOCKS * _BLOCK // 2
