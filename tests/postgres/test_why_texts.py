"""The texts of `why` in every language, as they were read and found good: tests/golden/why/CASE.LANGUAGE.txt.

After a change of words: WHY_GOLDEN=write pytest tests/postgres/test_why_texts.py, then read the difference.
"""

import io
import json
import os
from pathlib import Path

import asyncpg
import pytest
from rich.console import Console

from ops.cli.explanation import rendered
from ops.text.translation import LOCALES, translator
from ops.why.description import LeadDescription, State
from ops.why.document import document
from ops.why.text import describe
from router.domain.reason import Reason
from router.store.connections.connections import Connections
from tests.why_cases import CASES, story_of

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "why"
# Reasons for which no lead waits in the pool with a decision of its own.
NEVER_WAITED_FOR = {Reason.LEAD_INVALID, Reason.INTERNAL_ERROR, Reason.DATABASE_BUSY, Reason.SCREENING}


def text_of(story: LeadDescription, language: str) -> str:
    """What is printed, without spaces at the ends of lines."""
    out = io.StringIO()
    console = Console(file=out, width=200, soft_wrap=True, color_system=None)
    for part in describe(story, translator(language)):
        console.print(rendered(part))
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines())


@pytest.mark.parametrize("name", CASES)
async def test_people_read_what_was_found_good(name: str, conn: asyncpg.Connection, connections: Connections) -> None:
    story = await story_of(name, conn, connections)
    for language in LOCALES:
        path, text = GOLDEN / f"{name}.{language}.txt", text_of(story, language)
        if os.environ.get("WHY_GOLDEN") == "write":
            path.write_text(text, encoding="utf-8", newline="\n")
        assert text == path.read_text(encoding="utf-8")
    told = json.loads(json.dumps(document(story)))
    assert told["state"] == story.place.state.value
    if story.place.state is State.WAITING and name.removeprefix("waiting_") in set(Reason):
        assert told["waiting"]["reason"] == name.removeprefix("waiting_") or name == "waiting_paused"


def test_no_text_is_left_over_and_every_reason_to_wait_has_one() -> None:
    assert {path.name for path in GOLDEN.iterdir()} == {f"{name}.{lang}.txt" for name in CASES for lang in LOCALES}
    assert {f"waiting_{reason}" for reason in Reason if reason not in NEVER_WAITED_FOR} <= set(CASES)


async def test_programs_read_of_the_customer_what_people_read(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    story = await story_of("assigned_by_owner", conn, connections)
    told = document(story)["customer"]
    assert told["owner"] == {"rep_id": "r1", "name": "李雷"} and told["earlier_leads"] == 2
    assert [(lead["external_id"], lead["state"], lead["outcome"]) for lead in told["latest_of_them"]] == [
        ("e2", "merged", None),
        ("e1", "closed", "won"),
    ]


@pytest.mark.parametrize(
    ("name", "ends"),
    [
        ("waiting_all_at_open_cap", "parked on 2026-04-01 10:00:00 if it still waits then (batch 1)"),
        ("waiting_no_matching_rule", "parked on 2026-03-03 10:00:00 if it still waits then (batch 1)"),
        ("waiting_owner_at_cap", "retried at the latest 2026-03-02 10:30:00 (batch 1)"),
    ],
)
async def test_the_timeline_says_of_the_time_that_ends_the_waiting_what_the_summary_says(
    name: str, ends: str, conn: asyncpg.Connection, connections: Connections
) -> None:
    text = text_of(await story_of(name, conn, connections), "en")
    assert any(line.endswith(ends) for line in text.splitlines()), text
    if "parked" in ends:
        assert "if it still waits then." in text and "retried at the latest" not in text
