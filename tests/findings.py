"""What one check of the doctor finds, in tests."""

import shlex
from datetime import datetime

import asyncpg

from ops.doctor.finding import Finding
from ops.doctor.look import examine
from ops.doctor.scene import open_scene
from tests.runbooks.lint import parse


async def findings(conn: asyncpg.Connection, code: str, now: datetime | None = None) -> list[Finding]:
    """Of all tenants; the check must have been able to look, and what it tells people to type must exist."""
    async with open_scene(conn, now=now, thorough=True) as scene:
        [one] = await examine(scene, [code])
    assert one.failure is None, one.failure
    assert all(len(finding.evidence) <= 10 for finding in one.findings)
    for finding in one.findings:
        if finding.command is not None:
            program, *words = shlex.split(finding.command)
            assert program == "lead-router"
            parse(words)
    return list(one.findings)
