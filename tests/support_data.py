"""The real data for tests: used in place, demanded in CI, skipped with a word elsewhere."""

import os
from pathlib import Path

import pytest

from loadtest.datasets import bpic2012, olist, x_education
from loadtest.datasets.dataset import DataMissing


def real_data() -> Path:
    """The folder of the Olist data, with the others beside it. Without them the test fails in CI, else is skipped."""
    try:
        for other in (bpic2012, x_education):
            other.data_folder()
        return olist.data_folder()
    except DataMissing as missing:
        if os.environ.get("CI"):
            pytest.fail(f"CI must have the real data: {missing}")
        pytest.skip(str(missing))
