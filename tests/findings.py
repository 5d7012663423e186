"""What one check of the doctor finds, in tests."""

import re
import shlex
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import asyncpg
import msgspec

from ops.console.in_language import sentence_in
from ops.doctor.finding import Finding
from ops.doctor.look import examine
from ops.doctor.scene import open_scene
from ops.text.translation import ENGLISH, translator
from tests.runbooks.lint import parse

CHINESE = re.compile(r"[\u4e00-\u9fff]")


async def findings(conn: asyncpg.Connection, code: str, now: datetime | None = None) -> list[Finding]:
    """Of all tenants; the check must have been able to look, what it tells people to type must exist, and a Chinese
    page says it in Chinese.
    """
    async with open_scene(conn, now=now, thorough=True) as scene:
        [one] = await examine(scene, [code])
    assert one.failure is None, one.failure
    assert all(len(finding.evidence) <= 10 for finding in one.findings)
    for finding in one.findings:
        if finding.command is not None:
            program, *words = shlex.split(finding.command)
            assert program == "lead-router"
            parse(words)
        in_chinese(finding.document())
    return list(one.findings)


def in_chinese(document: Mapping[str, Any]) -> str:
    """What a Chinese page says of a finding, which comes to it as JSON; in English it is the sentence as it is."""
    found = msgspec.json.decode(msgspec.json.encode(document))
    said, lang = sentence_in(found, translator("zh"))
    assert lang == "" and CHINESE.search(said), f"{document['code']} is not said in Chinese: {document['sentence']}"
    assert sentence_in(found, ENGLISH) == (document["sentence"], "en")
    return said
