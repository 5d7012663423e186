"""A journal takes no leads: if the database went away now, leads would be refused."""

from collections.abc import Sequence
from datetime import timedelta

from ops.doctor.finding import Finding, NotApplicable, Severity, Subject
from ops.doctor.scene import Scene
from router.domain.worded import worded
from router.store.journal import ReportedFile, reported_files

CODE = "journal_full"
_REPORTS_WITHIN = timedelta(seconds=60)


async def look(scene: Scene) -> Sequence[Finding]:
    files = [
        one for one in await reported_files(scene.conn) if one.seen_at and scene.at - one.seen_at < _REPORTS_WITHIN
    ]
    if not files:
        raise NotApplicable(worded("no instance reports a journal (setting journal.file)"))
    return [_finding(one) for one in files if one.refuses]


def _finding(file: ReportedFile) -> Finding:
    sentence = worded(
        "the journal of {instance} on {host} takes no leads: {why}. If the database went away now, this instance would "
        "refuse leads",
        instance=file.instance,
        host=file.host,
        why=file.refuses,
    )
    evidence = {
        "file": file.file,
        "mb": file.bytes >> 20,
        "maximum_mb": file.maximum_bytes >> 20,
        "maximum_leads": file.maximum_leads,
    }
    command = "lead-router journal list"
    return Finding(CODE, Severity.WARNING, Subject("journal", file.instance), sentence, (evidence,), command=command)
