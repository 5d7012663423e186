"""What the tests of faults share."""

from typing import Any

import pytest


def full(*values: Any) -> Any:
    """The full form of a fault, for `make test-all`; the others are the short one, for `make test`."""
    return pytest.param(*values, marks=[pytest.mark.full, pytest.mark.timeout(600)], id=f"full-{values[0]}")
