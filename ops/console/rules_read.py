"""Stored versions of rules, read for pages: long ones once for all views, in a thread, as ten thousand rules take
seconds.
"""

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from router.domain.ruleset import Ruleset
from router.rules.file import RulesError, read_rules
from router.rules.lists import stored_lists
from router.store.apart import LONG_TEXT, done_meanwhile, takes_long
from router.store.collecting import uncollected
from router.store.shared_readings import SharedReadings

# Neither routing nor a draft waits behind a page.
_THREAD = ThreadPoolExecutor(max_workers=1, thread_name_prefix="rules of pages")
_readings = SharedReadings[Ruleset | None](_THREAD, entries=16, characters=4_000_000)


async def read_shared(source: str, lists: Mapping[str, str]) -> Ruleset | None:
    """The rules of a stored version, whose text and lists never change; None = this release cannot read them.

    Long ones wait for each other, short ones do not. A view that stops waiting leaves the reading to the next one.
    """
    if not takes_long(source) and sum(map(len, lists.values())) <= LONG_TEXT:
        return await asyncio.to_thread(read_version, source, lists)
    parts = (source, *(text for one in sorted(lists.items()) for text in one))
    return await done_meanwhile(None, _readings.of(parts, partial(uncollected, read_version, source, dict(lists))))


def read_version(source: str, lists: Mapping[str, str]) -> Ruleset | None:
    """The same, at once."""
    try:
        return read_rules(source, "rules", stored_lists(lists)).ruleset
    except RulesError:
        return None
