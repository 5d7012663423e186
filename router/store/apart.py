"""Work on long rules in a thread, one piece after the other: it takes seconds, in which the process does the rest."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from router.rules.file import RulesFile, read_rules
from router.rules.lists import ReadList, no_lists

P = ParamSpec("P")
T = TypeVar("T")

LONG_TEXT, MANY_RULES, MANY_VALUES = 20_000, 200, 5_000
_THREAD = ThreadPoolExecutor(max_workers=1, thread_name_prefix="rules")


async def apart(long: bool, work: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
    """What `work` returns or raises; what is not `long` is done at once."""
    if not long:
        return work(*arguments, **options)
    return await asyncio.get_running_loop().run_in_executor(_THREAD, partial(work, *arguments, **options))


def takes_long(source: str) -> bool:
    """Whether reading the text of rules may take long: with an anchor a short one can have very many values."""
    return len(source) > LONG_TEXT or "&" in source


async def read_apart(source: str, file: str, lists: ReadList = no_lists) -> RulesFile:
    """As `read_rules`. Raises RulesError."""
    return await apart(takes_long(source), read_rules, source, file, lists)


def has_many(rules: RulesFile) -> bool:
    """Whether looking for what is odd takes long: each rule is compared with those before it, value by value."""
    return len(rules.ruleset.rules) > MANY_RULES or len(rules.lines) > MANY_VALUES
