"""Each failure mode at two paces: soon, for every day, and with the usual settings (make test-all)."""

import pytest

from tests.failure_modes.scene import QUICK, USUAL, Pace


@pytest.fixture(params=[QUICK, pytest.param(USUAL, marks=pytest.mark.full)], ids=["quick", "usual"])
def pace(request: pytest.FixtureRequest) -> Pace:
    """The settings of the watch, and within how many seconds it must have noticed."""
    found: Pace = request.param
    return found
