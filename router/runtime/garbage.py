"""The garbage collector, set for a process that makes ten thousand short-lived rows with every batch."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

# A batch of a thousand leads makes about ten times as many tuples, all of which their reference counts free again.
# With Python's 700 the collector looks through everything there is several times in each batch, and finds nothing.
_YOUNG_MOST = 20_000
_YOUNG_LOOKS_PER_OLDER = 20
_OLDER_LOOKS_PER_FULL = 100
# Two batches of an import are some 100,000 objects; with fewer than these the collector finds them all alive.
_YOUNG_IN_IMPORT = 1_000_000


@contextmanager
def modules_are_read() -> Iterator[None]:
    """No looking for cycles meanwhile, nor later through what was made: modules and code live until the end."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_on:
            gc.enable()


def tune_gc() -> None:
    """Looks for cycles seldom, and never through what is there by now: modules and code live until the end."""
    gc.freeze()
    gc.set_threshold(_YOUNG_MOST, _YOUNG_LOOKS_PER_OLDER, _OLDER_LOOKS_PER_FULL)


def tune_gc_for_import() -> None:
    """The same for a command that holds thousands of leads at a time and soon ends."""
    gc.set_threshold(_YOUNG_IN_IMPORT, _YOUNG_LOOKS_PER_OLDER, _OLDER_LOOKS_PER_FULL)
