"""Where a list goes on: an opaque text for outside, the number of the last lead shown inside."""

from base64 import urlsafe_b64decode, urlsafe_b64encode

from router.domain.worded import worded

# Of what is below: a cursor of a list in another order would begin differently.
_NEWEST_FIRST = "n1."
_TOO_LARGE = 1 << 63


class CursorInvalid(ValueError):
    """The text is no cursor of this list; the message says what to do."""


def write_cursor(lead_id: int) -> str:
    """The cursor of a list of which this lead was the last one shown."""
    return urlsafe_b64encode(f"{_NEWEST_FIRST}{lead_id}".encode()).decode().rstrip("=")


def read_cursor(text: str) -> int:
    """The number of the last lead shown. Raises CursorInvalid."""
    try:
        number = urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("ascii").removeprefix(_NEWEST_FIRST)
        lead_id = int(number) if number.isdecimal() and len(number) < 20 else None
    except ValueError:
        lead_id = None
    if lead_id is None or lead_id >= _TOO_LARGE or write_cursor(lead_id) != text:
        raise CursorInvalid(
            worded(
                "invalid cursor {cursor!r}: use `next` of the page before, or leave it out to begin", cursor=text[:80]
            )
        )
    return lead_id
