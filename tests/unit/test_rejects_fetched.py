"""A file of rejected rows is fetched whole, also by several at once."""

import asyncio
import tempfile
from datetime import UTC, datetime

from ops.api.import_files import rejects_response
from ops.api.running import Job, JobFile

BODY = b"line,column,reason\n" * 1_000


def a_job() -> Job:
    file = tempfile.TemporaryFile()  # noqa: SIM115 (closed by the test)
    file.write(BODY)
    file.flush()
    job = Job("a-1", "import_leads", 1, "acme", "me", datetime(2026, 11, 1, tzinfo=UTC))
    job.made = JobFile("leads.csv.rejects.csv", file, "utf-8")
    return job


async def test_whoever_clicks_twice_gets_all_rows_twice() -> None:
    job = a_job()
    replies = await asyncio.gather(*(rejects_response(job) for _ in range(20)))
    assert [reply.body == BODY for reply in replies] == [True] * 20
    assert job.made is not None
    job.made.file.close()
