"""A file of rejected rows is fetched whole, also by several at once, from where it is kept."""

import asyncio
import gzip
import os
import tempfile
from collections.abc import AsyncIterator

from hypothesis import given
from hypothesis import strategies as st

from ops.api.job_records import _packed, unpacked
from ops.api.running import JobFile
from ops.api.stored_jobs import made_here

BODY = b"line,column,reason\n" * 1_000


async def whole(pieces: AsyncIterator[bytes]) -> bytes:
    """What was sent, of which no piece was large."""
    found = [piece async for piece in pieces]
    assert all(0 < len(piece) <= 1_000_000 for piece in found)
    return b"".join(found)


async def test_whoever_clicks_twice_gets_all_rows_twice() -> None:
    with tempfile.TemporaryFile() as file:
        file.write(BODY)
        file.flush()
        made = JobFile("leads.csv.rejects.csv", file, "utf-8")
        fetched = [made_here(made) for _ in range(20)]
    # Forgotten before the first piece is sent.
    assert await asyncio.gather(*map(whole, fetched)) == [BODY] * 20


@given(st.binary(max_size=3_000))
def test_what_the_database_keeps_is_the_file(body: bytes) -> None:
    with tempfile.TemporaryFile() as file:
        file.write(body)
        file.flush()
        packed = _packed(os.dup(file.fileno()))
    assert packed is not None and asyncio.run(whole(unpacked(packed))) == body


async def test_a_file_of_which_little_is_stored_is_never_in_memory_as_a_whole() -> None:
    body = b"1,external_id,is empty\n" * 400_000
    assert await whole(unpacked(gzip.compress(body))) == body
