"""Settings of the server, the role or the database that hurt: read-only, timeouts, commits that are not durable."""

from collections.abc import Callable, Sequence

from ops.doctor.finding import Finding, Severity, Subject
from ops.doctor.scene import Scene
from router.domain.worded import Worded, worded
from router.store.server_settings import read_session_settings

CODE = "server_settings"

_SHORT_MS = 30_000
_MAY_BE_LOST = worded("what was confirmed may be lost in a crash")

# Whether a value hurts, how much, and what it does.
_HURTS: dict[str, tuple[Callable[[str], bool], Severity, Worded]] = {
    "default_transaction_read_only": (lambda value: value == "on", Severity.CRITICAL, worded("nothing can be written")),
    "fsync": (lambda value: value == "off", Severity.WARNING, _MAY_BE_LOST),
    "full_page_writes": (lambda value: value == "off", Severity.WARNING, worded("a crash may damage pages")),
    "synchronous_commit": (lambda value: value == "off", Severity.WARNING, _MAY_BE_LOST),
    "statement_timeout": (
        lambda value: 0 < int(value) < _SHORT_MS,
        Severity.WARNING,
        worded("commands over many leads end in the middle; routers state their own"),
    ),
    "idle_session_timeout": (
        lambda value: 0 < int(value) < _SHORT_MS,
        Severity.WARNING,
        worded("connections that rest are closed, and opened anew all the time"),
    ),
}


async def look(scene: Scene) -> Sequence[Finding]:
    found = []
    for name, setting in (await read_session_settings(scene.conn, list(_HURTS))).items():
        hurts, severity, what = _HURTS[name]
        if hurts(setting.value):
            value = f"{setting.value} {setting.unit}".strip()
            sentence = worded("{setting} is {value}: {harm}", setting=name, value=value, harm=what)
            if setting.role:
                # Whoever asks may be another role than the routers.
                severity = Severity.WARNING
                sentence += worded("; it is set for role {role}", role=setting.role)
            command = "lead-router changes --since 7d"
            evidence = ({"setting": name, "value": setting.value, "role": setting.role},)
            found.append(Finding(CODE, severity, Subject("setting", name), sentence, evidence, command=command))
    return found
