"""`make real`: the real leads with their own clock, every one accounted for."""

import json
import re
from pathlib import Path

import pytest

from ops.embedded.embedded import stopped
from tests.e2e.commands import lead_router, python
from tests.support_data import real_data

LEADS = {"olist": 8_000, "bpic2012": 13_087, "x_education": 9_240}
OUTCOMES = {"olist": 842, "bpic2012": 9_259, "x_education": 3_561}


@pytest.mark.data
@pytest.mark.timeout(900)
async def test_all_30327_real_leads_are_routed_and_accounted_for(reachable_folder: Path) -> None:
    real_data()
    folder = reachable_folder / "real"
    code, output, errors = await python("-m", "loadtest.real", "--data-dir", folder, "--slot-minutes", "120")
    assert code == 0, errors + output
    said = {name: await lead_router("--data-dir", folder, "status", "--tenant", name, "--json") for name in LEADS}
    await stopped(folder)
    assert all(code == 0 for code, _, _ in said.values()), said
    states = {name: json.loads(text)["states"] for name, (_, text, _) in said.items()}
    accepted = {name: json.loads(text)["accepted"] for name, (_, text, _) in said.items()}

    assert "All 8,000 + 13,087 + 9,240 leads are accounted for, and the audit is clean." in " ".join(output.split())
    assert accepted == {name: sum(counts.values()) for name, counts in states.items()} == LEADS
    assert output.count("$ lead-router why") == 9
    assert output.count("run again; no difference") == len(LEADS)
    olist, bpic2012, x_education = output.split("are accounted for.")[:3]
    assert "all_at_daily_cap" in olist, "no cap was ever reached: the replay shows nothing"
    assert "nobody_available" in bpic2012
    assert "all_at_open_cap" in x_education
    for name, part in (("olist", olist), ("bpic2012", bpic2012), ("x_education", x_education)):
        ended, late, nobodys = _outcomes(part)
        assert ended == states[name]["closed"]
        assert ended + nobodys == OUTCOMES[name]
        assert late < ended / 2
    assert 0 < _outcomes(olist)[1] < 60
    assert states["olist"]["waiting"] == 0, "months after the last lead there is room for everybody"


def _outcomes(output: str) -> tuple[int, int, int]:
    """Booked, of them late, and those of leads that nobody has."""
    found = re.search(r"Outcomes: ([\d,]+) booked, ([\d,]+) of.* ([\d,]+) belong", " ".join(output.split()))
    assert found, output
    booked, late, nobodys = (int(text.replace(",", "")) for text in found.groups())
    return booked, late, nobodys


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
