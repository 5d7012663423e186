"""Long rules are read in a thread, one text after the other; what is short is read at once."""

import asyncio
import threading

import pytest

from router.rules.file import RulesError, read_rules
from router.store.apart import LONG_TEXT, MANY_VALUES, apart, has_many, read_apart, takes_long

RULES = "rules:\n  - {name: a, match: {}, assign_to: 'group:all'}\n"


async def test_the_process_goes_on_while_long_work_is_done_one_piece_after_the_other() -> None:
    going, most = 0, 0
    may_end = threading.Event()

    def work() -> str:
        nonlocal going, most
        going += 1
        most = max(most, going)
        assert may_end.wait(30)
        going -= 1
        return threading.current_thread().name

    pieces = [asyncio.create_task(apart(True, work)) for _ in range(3)]
    # This would not be reached if the work were done here.
    await asyncio.sleep(0)
    may_end.set()
    names = await asyncio.gather(*pieces)
    assert most == 1 and all(name.startswith("rules") for name in names)


async def test_what_is_short_is_done_at_once() -> None:
    assert await apart(False, threading.current_thread) is threading.current_thread()


@pytest.mark.parametrize("more", ["", "#" * LONG_TEXT], ids=["short", "long"])
async def test_rules_are_read_the_same_either_way(more: str) -> None:
    assert (await read_apart(RULES + more, "f")).ruleset.rules[0].name == "a"
    with pytest.raises(RulesError, match="f:1"):
        await read_apart(f"rules: 7 {more}", "f")


def test_a_short_text_that_stands_for_many_values_is_long() -> None:
    assert takes_long("rules:\n- &r {name: a}\n" + "- *r\n" * 1_000)
    assert not takes_long(RULES)


def test_a_few_rules_with_very_many_values_are_looked_at_apart() -> None:
    values = ", ".join(f"v{number}" for number in range(MANY_VALUES // 10))
    rules = "".join(f"  - {{name: r{number}, match: {{region: *v}}, assign_to: 'group:all'}}\n" for number in range(10))
    text = f"rules:\n  - {{name: a, match: {{region: &v [{values}]}}, assign_to: 'group:all'}}\n{rules}"
    assert has_many(read_rules(text, "f")) and not has_many(read_rules(RULES, "f"))


def test_looking_at_a_few_rules_with_long_lists_takes_long() -> None:
    text = "rules:\n  - {name: a, match: {region: {in_file: c.txt}}, assign_to: 'group:a'}\n"
    long, short = "\n".join(f"city {number}" for number in range(5_000)), "Rome\nParis\n"
    assert has_many(read_rules(text, "f", {"c.txt": long}.__getitem__))
    assert not has_many(read_rules(text, "f", {"c.txt": short}.__getitem__))
