"""Random faults for a minute, by a seed that is printed: LEAD_ROUTER_TEST_SEED runs the same ones again."""

import os
import random
from collections import Counter
from itertools import islice

import pytest

from loadtest.faults.inject import DEEDS
from loadtest.faults.posting import JOURNALLED, TAKEN
from loadtest.faults.schedule import Fault, schedule
from loadtest.faults.server import FaultServer
from loadtest.faults.soak import Soaked, soak

SEED = "LEAD_ROUTER_TEST_SEED"


@pytest.mark.full
@pytest.mark.timeout(600)
async def test_a_minute_of_random_faults_breaks_no_promise(server: FaultServer, database: str) -> None:
    seed = int(os.environ.get(SEED) or random.randrange(1_000_000))
    lines = [f"{SEED}={seed}"]
    done = await soak(server, database, seed, 60, lines.append)
    print("\n".join(lines))
    assert done.violations == [], "\n".join(lines)
    assert len(done.faults) >= 5 and done.leads > 500 and done.posts[TAKEN] > 100


def test_the_same_seed_does_the_same_faults_and_another_one_others() -> None:
    assert list(islice(schedule(7), 50)) == list(islice(schedule(7), 50))
    assert list(islice(schedule(7), 50)) != list(islice(schedule(8), 50))


def test_no_fault_is_left_out_and_each_can_be_done() -> None:
    assert {step.fault for step in islice(schedule(1), len(Fault))} == set(Fault) == set(DEEDS)


def test_the_last_line_of_a_soak_tells_how_slow_the_slowest_was() -> None:
    done = Soaked(recoveries_s=[0.1] * 99 + [9.0], leads=5, posts=Counter({TAKEN: 3, JOURNALLED: 1}), violations=["x"])
    assert done.document == {
        "faults": 0,
        "leads": 5,
        "posts": 3,
        "journalled": 1,
        "violations": 1,
        "recovery_p99_s": 9.0,
    }
    assert Soaked().document["recovery_p99_s"] == 0.0
