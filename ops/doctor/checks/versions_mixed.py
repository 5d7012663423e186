"""Routers of different versions work side by side."""

from collections import Counter
from collections.abc import Sequence

from ops.doctor.finding import Finding, NotApplicable, Severity, Subject
from ops.doctor.scene import Scene
from router.domain.worded import worded
from router.domain.worded_phrases import worded_list
from router.store.processes import versions_of_processes

CODE = "versions_mixed"


async def look(scene: Scene) -> Sequence[Finding]:
    routers = await versions_of_processes(scene.conn)
    if not routers:
        raise NotApplicable(worded("no router works"))
    versions = Counter(routers.values())
    if len(versions) == 1:
        return ()
    parts = [
        worded("{number} of {version}", number=number, version=version or worded("an earlier one"))
        for version, number in sorted(versions.items())
    ]
    evidence = tuple({"instance": name, "version": version} for name, version in routers.items())[:10]
    sentence = worded("routers of different versions work side by side: {versions}", versions=worded_list(parts))
    return (Finding(CODE, Severity.INFO, Subject("service", "routers"), sentence, evidence),)
