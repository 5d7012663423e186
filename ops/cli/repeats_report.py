"""What a check says of leads that would be merged into others as their repeats."""

from collections.abc import Iterator

from router.domain.phrases import count
from router.domain.text import visible
from router.intake.repeat_book import WouldMerge, WouldRepeat

SHOWN = 10


def repeats_lines(found: WouldRepeat) -> Iterator[str]:
    """For people."""
    if not found.examples:
        return
    yield count(found.count, "duplicate", "duplicates") + " would be merged into earlier leads:"
    for one in found.examples[:SHOWN]:
        yield f"  line {one.line}, {visible(one.external_id)}: repeats {_root(one)}"
    if len(found.examples) > SHOWN:
        yield f"  … and {found.count - SHOWN:,} more; --json has the first {len(found.examples)}"
    yield "  each within 24 hours of the lead that it repeats; repeats: off in the mapping keeps all of them"


def _root(one: WouldMerge) -> str:
    if one.into_line is None:
        return f"lead {one.into_lead}"
    return f"{visible(one.into_external_id or '')} (line {one.into_line})"
