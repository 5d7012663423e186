"""The real data for tests: used in place, demanded in CI, skipped with a word elsewhere."""

import os
from pathlib import Path

import pytest

from loadtest.datasets.olist import DataMissing, data_folder


def real_data() -> Path:
    """The folder of the Olist data. Without it the test fails in CI, and is skipped elsewhere."""
    try:
        return data_folder()
    except DataMissing as missing:
        if os.environ.get("CI"):
            pytest.fail(f"CI must have the real data: {missing}")
        pytest.skip(str(missing))
