"""The states of leads, within sentences that a page can say in another language. Pure."""

from collections.abc import Mapping

from router.domain.worded import Worded, worded

_STATES: Mapping[str, Worded] = {
    str(one): one
    for one in (
        worded("waiting"),
        worded("assigned"),
        worded("parked"),
        worded("merged"),
        worded("closed"),
        worded("archived"),
        worded("removed"),
    )
}


def worded_state(code: str) -> str:
    """The state as it is called everywhere; in another language it is in words."""
    return _STATES.get(code, code)
