"""Single leads wait for other commits no longer than they have to, and each is answered once, whatever happens."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, cast

import pytest

from router.domain.lead_in import LeadIn
from router.intake import group_commit
from router.intake.group_commit import GroupCommit
from router.intake.hand_in import HandedIn, IdempotencyKey, Outcome, Taken
from router.intake.lead_intake import LeadIntake, NotDurable
from router.telemetry.intake_instruments import IntakeInstruments

TENANT = 1


class Intake:
    """Stores nothing; each commit waits until it is `released`. `seen` is all that happened, in its order."""

    def __init__(self) -> None:
        self.instruments = IntakeInstruments()
        self.seen: list[tuple[str, Any]] = []
        self.releases: list[asyncio.Future[None]] = []

    async def take(self, _tenant_id: int, handed_in: Sequence[HandedIn], _route: object) -> list[Outcome]:
        names = [one.lead.external_id for one in handed_in]
        self.seen.append(("begun", names))
        release: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.releases.append(release)
        await release
        self.seen.append(("done", names))
        return [Taken(int(name), "waiting") for name in names]

    async def take_late(self, _tenant_id: int, handed_in: Sequence[HandedIn], *_: object) -> list[Outcome]:
        return [Taken(None, "journalled") for _ in handed_in]


@pytest.fixture
def intake() -> Intake:
    return Intake()


@pytest.fixture
async def singles(intake: Intake) -> AsyncIterator[GroupCommit]:
    made = GroupCommit(cast(LeadIntake, intake))
    yield made
    await made.close(0)


def enter(singles: GroupCommit, intake: Intake, *numbers: int) -> None:
    for number in numbers:
        lead = HandedIn(LeadIn("web", str(number)), IdempotencyKey(f"k{number}", bytes(16)))
        singles.enter(TENANT, lead, lambda found, number=number: intake.seen.append((f"answered {number}", found)))  # type: ignore[misc]


async def turns() -> None:
    """Everything that can happen without waiting has happened."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_leads_of_one_moment_are_one_group_and_what_comes_meanwhile_is_the_next(
    singles: GroupCommit, intake: Intake
) -> None:
    enter(singles, intake, 1, 2)
    await turns()
    enter(singles, intake, 3)
    enter(singles, intake, 4)
    await turns()
    assert intake.seen == [("begun", ["1", "2"])]
    intake.releases[0].set_result(None)
    await turns()
    assert ("begun", ["3", "4"]) in intake.seen


async def test_the_database_has_the_next_group_before_the_last_one_is_answered(
    singles: GroupCommit, intake: Intake
) -> None:
    enter(singles, intake, 1)
    await turns()
    enter(singles, intake, 2)
    intake.releases[0].set_result(None)
    await turns()
    what = [name for name, _ in intake.seen]
    assert what == ["begun", "done", "begun", "answered 1"]
    assert singles.body_under_way(TENANT, "k1") is None
    assert singles.body_under_way(TENANT, "k2") == bytes(16)
    intake.releases[1].set_result(None)
    await turns()
    assert intake.seen[-1] == ("answered 2", Taken(2, "waiting"))
    assert singles.body_under_way(TENANT, "k2") is None


async def test_a_commit_that_fails_is_the_answer_of_its_group_and_of_no_other(
    singles: GroupCommit, intake: Intake
) -> None:
    enter(singles, intake, 1, 2)
    await turns()
    enter(singles, intake, 3)
    error = NotDurable("no")
    intake.releases[0].set_exception(error)
    await turns()
    intake.releases[1].set_result(None)
    await turns()
    answers = dict(intake.seen)
    assert (answers["answered 1"], answers["answered 2"]) == (error, error)
    assert answers["answered 3"] == Taken(3, "waiting")


async def test_a_stop_waits_for_what_is_under_way_and_for_what_waits(singles: GroupCommit, intake: Intake) -> None:
    enter(singles, intake, 1)
    await turns()
    enter(singles, intake, 2)
    closing = asyncio.create_task(singles.close(20))
    await turns()
    for number in range(2):
        intake.releases[number].set_result(None)
        await turns()
    await asyncio.wait_for(closing, 60)
    assert {"answered 1", "answered 2"} <= dict(intake.seen).keys()


@pytest.mark.parametrize("begun", [True, False])
async def test_a_stop_that_has_no_time_answers_everybody_once(
    singles: GroupCommit, intake: Intake, *, begun: bool
) -> None:
    enter(singles, intake, 1)
    if begun:
        await turns()
        enter(singles, intake, 2)
    await singles.close(0)
    await turns()
    answers = [found for name, found in intake.seen if name.startswith("answered")]
    assert len(answers) == (2 if begun else 1)
    assert all(isinstance(one, NotDurable) for one in answers)
    enter(singles, intake, 3)
    await turns()
    intake.releases[-1].set_result(None)
    await turns()
    assert dict(intake.seen)["answered 3"] == Taken(3, "waiting")


async def test_who_has_waited_for_too_long_is_kept_elsewhere_while_the_commit_hangs(
    singles: GroupCommit, intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "WAITS_S", 0.05)
    monkeypatch.setattr(group_commit, "_LOOK_EVERY_S", 0.01)
    enter(singles, intake, 1)
    await turns()
    enter(singles, intake, 2)
    async with asyncio.timeout(60):
        while "answered 2" not in dict(intake.seen):
            await asyncio.sleep(0.01)
    assert dict(intake.seen)["answered 2"] == Taken(None, "journalled")
    intake.releases[0].set_result(None)
    await turns()
    assert dict(intake.seen)["answered 1"] == Taken(1, "waiting")
    assert [name for name, _ in intake.seen].count("begun") == 1
