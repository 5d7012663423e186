"""`make load` as an SRE runs it: it breaks the service on purpose, accounts for every lead, and reports it."""

import json
from pathlib import Path

import pytest

from tests.e2e.commands import python

# How fast a machine is that runs other tests, too, is not the matter here.
OBJECTIVES = """
defaults: {failed_percent: 0, dropped: 0, missing: 0, violations: 0, unassigned: 0, recovery_s: 30,
           assigned: {all: {p50: 20000}}}
"""
URL = "http://127.0.0.1:8381"


@pytest.mark.full
@pytest.mark.timeout(400)
async def test_a_load_with_a_locked_pool_loses_nothing_and_the_report_shows_dent_doctor_and_recovery(
    tmp_path: Path,
) -> None:
    objectives = tmp_path / "objectives.yaml"
    objectives.write_text(OBJECTIVES)
    words = ("--minutes", "0.5", "--rate", "10", "--fault", "F4", "--at", "5", "--until", "12")
    code, output, errors = await python(
        "-m", "loadtest.load", *words, "--objectives", objectives, "--output", tmp_path / "out"
    )
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert code == 0, (output, errors, report["objectives"])
    assert report["verdict"] == "passed"
    leads = report["leads"]
    assert leads["accepted"] == leads["found"] > 100
    assert not report["audit"]["violations"]
    assert 5 <= report["fault"]["began_s"] < 6 and 12 <= report["fault"]["fixed_s"] < 14
    # What came while the pool was locked was refused, or waited for the end of that.
    slowest = report["post_to_assignment"]["by_name"][0]["ms"]["p100"]
    assert report["requests"]["failed"] > 0 or slowest > 4_000
    said = [one for one in report["doctor"]["said"] if "nightly cleanup" in one["sentence"]]
    assert said and said[0]["code"] == "database_busy" and 5 <= said[0]["since_s"] < 14
    page = (tmp_path / "out/report.html").read_text()
    assert page.count("<svg") >= 8
    assert "All was right again" in page and "http://www" not in page.replace("http://www.w3.org", "")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--fault", "F9"), "there is no F9"),
        (("--fault", "F4", "--at", "50", "--until", "55"), "10 s before the end"),
        (("--fault", "F4", "--at", "20", "--until", "10"), "begins before it ends"),
        (("--url", URL), "needs LEAD_ROUTER_DATABASE_URL"),
        (("--url", URL, "--fault", "F5"), "a stack of our own"),
    ],
)
async def test_what_cannot_be_run_says_so_before_anything_is_started(
    tmp_path: Path, words: tuple[str, ...], why: str
) -> None:
    code, _, errors = await python("-m", "loadtest.load", *words, "--output", tmp_path / "out")
    assert code == 2
    assert why in errors
    assert not (tmp_path / "out").exists()


async def test_objectives_that_judge_nothing_are_refused(tmp_path: Path) -> None:
    objectives = tmp_path / "objectives.yaml"
    objectives.write_text("defaults: {requests: {web fom: {p99: 1}}}")
    code, _, errors = await python("-m", "loadtest.load", "--objectives", objectives, "--output", tmp_path / "out")
    assert code == 2
    assert "there is no 'web fom'" in errors
