"""`make demo` as a new user meets it: it explains itself, accounts for every lead, and can be run again."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from ops.embedded.embedded import stopped
from tests.e2e.commands import PROJECT, lead_router, python
from tests.pages.scenes import section
from tests.pages.transcript import masked, pattern, steps_of

LEADS = 800


async def _demo(folder: Path) -> str:
    code, output, errors = await python("-m", "loadtest.demo", "--data-dir", folder, "--leads", str(LEADS))
    assert code == 0, errors + output
    return output


async def _asked(folder: Path, *words: str) -> Any:
    code, output, errors = await lead_router("--data-dir", folder, *words, "--json")
    assert code == 0, errors + output
    return json.loads(output)


def _no_numbers(line: str) -> str:
    return re.sub(r"\d[\d,.]*", "0", line)


def _not_printed(shown: str, output: str) -> list[str]:
    """The lines of a page's console blocks that the demo does not print, whatever the numbers are."""
    steps = [step for step in steps_of(shown) if not step.command.startswith("make test")]
    lines = [f"$ {step.command}" for step in steps if step.command.startswith("lead-router")]
    lines += [line for step in steps for line in step.shown if line.strip()]
    printed = [masked(_no_numbers(line)) for line in output.splitlines()]
    return [line for line in lines if not any(pattern(_no_numbers(line)).fullmatch(one) for one in printed)]


@pytest.mark.timeout(300)
async def test_the_demo_accounts_for_every_lead_and_runs_again(reachable_folder: Path) -> None:
    folder = reachable_folder / "demo"
    first = await _demo(folder)
    before = await _asked(folder, "status")
    second = await _demo(folder)
    after = await _asked(folder, "status")
    audit = await _asked(folder, "audit")
    await stopped(folder)

    for words in ("tenants add", "reps import", "rules apply", "leads import", "drain --until-idle", "status"):
        assert f"$ lead-router {words}" in first
    assert first.count("$ lead-router why") == 2, "one assigned and one waiting lead are explained"
    assert "= accepted" in first
    assert "has run here before" not in first
    assert "has run here before" in second

    here = first.replace(str(folder), ".lead-router")
    assert _not_printed((PROJECT / "docs/demo.md").read_text(encoding="utf-8"), here) == []
    assert _not_printed(section((PROJECT / "README.md").read_text(encoding="utf-8"), "Try it"), here) == []

    for status in (before, after):
        assert status["accepted"] == sum(status["states"].values())
    assert before["accepted"] == after["accepted"], "the second run accepted leads again"
    assert before["states"]["assigned"] > LEADS // 3, "hardly anything was routed: is nobody on duty now?"
    assert before["states"]["merged"] > 0
    assert before["states"]["parked"] > 0
    assert {"group_empty", "nobody_available"} <= before["waiting_by_reason"].keys()
    assert after["states"]["assigned"] >= before["states"]["assigned"]
    assert audit["ok"], audit["violations"]


async def test_the_demo_leaves_a_configured_database_alone(reachable_folder: Path, empty_database_url: str) -> None:
    """Whoever tries the demo in a shell that points at production must not find it there."""
    code, output, errors = await python(
        *("-m", "loadtest.demo", "--data-dir", reachable_folder / "elsewhere", "--leads", "20"),
        LEAD_ROUTER_DATABASE_URL=empty_database_url,
    )
    assert code == 0, errors + output
    code, output, errors = await lead_router("tenants", "list", LEAD_ROUTER_DATABASE_URL=empty_database_url)
    await stopped(reachable_folder / "elsewhere")
    assert code == 2, "the configured database has our schema now"
    assert "lead-router migrate" in errors
