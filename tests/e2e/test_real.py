"""`make real`: the real leads with their own clock, every one accounted for."""

import json
import re
from pathlib import Path

import pytest

from ops.embedded import stopped
from tests.e2e.commands import lead_router, python
from tests.support_data import real_data


@pytest.mark.data
@pytest.mark.timeout(900)
async def test_all_8000_real_leads_are_routed_and_accounted_for(reachable_folder: Path) -> None:
    real_data()
    folder = reachable_folder / "real"
    code, output, errors = await python("-m", "loadtest.real", "--data-dir", folder)
    assert code == 0, errors + output
    code, said, errors = await lead_router("--data-dir", folder, "status", "--json")
    await stopped(folder)
    assert code == 0, errors
    status = json.loads(said)

    assert "All 8,000 leads are accounted for." in output
    assert status["accepted"] == sum(status["states"].values()) == 8000
    assert output.count("$ lead-router why") == 3
    assert "all_at_daily_cap" in output, "no cap was ever reached: the replay shows nothing"
    won, late, open_ = map(int, re.findall(r"Deals: (\d+) .* (\d+) of them .* (\d+) belong", output, re.S)[0])
    assert won == status["states"]["closed"]
    assert won + open_ == 842
    assert 0 < late < 60
    assert status["states"]["waiting"] == 0, "months after the last lead there is room for everybody"


async def test_without_the_data_the_replay_says_where_it_looked(tmp_path: Path) -> None:
    code, output, errors = await python("-m", "loadtest.real", LEAD_ROUTER_DATA=str(tmp_path))
    assert code == 2
    assert str(tmp_path) in errors
    assert "LEAD_ROUTER_DATA" in errors
    assert output == ""


@pytest.mark.data
async def test_the_replay_never_empties_a_folder_that_holds_somebody_elses_leads(reachable_folder: Path) -> None:
    real_data()
    folder = reachable_folder / "kept"
    code, _, errors = await lead_router("--data-dir", folder, "tenants", "add", "acme", "--time-zone", "Asia/Shanghai")
    assert code == 0, errors
    code, _, errors = await python("-m", "loadtest.real", "--data-dir", folder)
    assert code == 2, errors
    assert "acme" in errors
    code, output, errors = await lead_router("--data-dir", folder, "tenants", "list", "--json")
    await stopped(folder)
    assert [tenant["name"] for tenant in json.loads(output)] == ["acme"]
