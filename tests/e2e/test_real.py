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


async def replayed(folder: Path, *options: str) -> tuple[str, dict[str, dict[str, int]]]:
    """What the replay printed, and the states of each tenant's leads after it. Every one of them is accounted for."""
    real_data()
    code, output, errors = await python("-m", "loadtest.real", "--data-dir", folder, *options)
    assert code == 0, errors + output
    said = {name: await lead_router("--data-dir", folder, "status", "--tenant", name, "--json") for name in LEADS}
    await stopped(folder)
    assert all(code == 0 for code, _, _ in said.values()), said
    documents = {name: json.loads(text) for name, (_, text, _) in said.items()}
    states = {name: document["states"] for name, document in documents.items()}
    assert {name: document["accepted"] for name, document in documents.items()} == {
        name: sum(counts.values()) for name, counts in states.items()
    }
    assert "are accounted for, and the audit is clean." in " ".join(output.split())
    assert output.count("run again; no difference") == len(LEADS)
    return output, states


@pytest.mark.data
async def test_the_first_real_leads_are_routed_and_accounted_for(reachable_folder: Path) -> None:
    output, _ = await replayed(reachable_folder / "real", "--leads", "1500", "--slot-minutes", "240")
    assert output.count("$ lead-router why") >= len(LEADS)
    for reason in ("nobody_available", "all_at_daily_cap", "all_at_open_cap"):
        assert reason in output, "no lead ever had to wait for this: the replay shows nothing"


@pytest.mark.data
@pytest.mark.full
@pytest.mark.timeout(900)
async def test_all_30327_real_leads_are_routed_and_accounted_for(reachable_folder: Path) -> None:
    output, states = await replayed(reachable_folder / "real", "--slot-minutes", "120")
    assert output.count("$ lead-router why") == 9
    assert "All 8,000 + 13,087 + 9,240 leads" in " ".join(output.split())
    assert {name: sum(counts.values()) for name, counts in states.items()} == LEADS
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
