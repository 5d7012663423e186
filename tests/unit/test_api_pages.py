"""Pages of a list: a client that follows the cursors sees each row once, and the end."""

from hypothesis import given
from hypothesis import strategies as st

from ops.api.pages import page, read_cursor


@given(st.lists(st.integers(0, 10**9), unique=True, max_size=30), st.integers(1, 12))
def test_following_the_cursors_shows_every_row_once_and_ends(keys: list[int], limit: int) -> None:
    rows, shown, after = sorted(keys), list[int](), None
    for _ in range(len(keys) // limit + 1):
        key = read_cursor(after, int)
        found = [row for row in rows if key is None or row > key][: limit + 1]
        part, after = page(found, limit, lambda row: row)
        assert len(part) <= limit
        shown += part
        if after is None:
            break
    assert after is None and shown == rows
