"""A file of rejected rows is fetched whole, also by several at once, from where it is kept."""

import asyncio
import os
import tempfile

from hypothesis import given
from hypothesis import strategies as st

from ops.api.job_records import _packed, unpacked
from ops.api.running import JobFile
from ops.api.stored_jobs import made_here

BODY = b"line,column,reason\n" * 1_000


async def test_whoever_clicks_twice_gets_all_rows_twice() -> None:
    with tempfile.TemporaryFile() as file:
        file.write(BODY)
        file.flush()
        made = JobFile("leads.csv.rejects.csv", file, "utf-8")
        replies = await asyncio.gather(*(made_here(made) for _ in range(20)))
    assert replies == [("leads.csv.rejects.csv", "utf-8", BODY)] * 20


@given(st.binary(max_size=3_000))
def test_what_the_database_keeps_is_the_file(body: bytes) -> None:
    with tempfile.TemporaryFile() as file:
        file.write(body)
        file.flush()
        packed = _packed(os.dup(file.fileno()))
    assert packed is not None and unpacked(packed) == body
