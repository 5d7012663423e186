"""What of the settings can change while the process runs."""

from dataclasses import dataclass
from hashlib import sha256

from router.settings.model import Settings, describe, settings_with, values_of

# What `app` applies at once. Everything else is read by what was built at the start.
AT_RUN_TIME = frozenset(
    {
        "connections.maximum",
        "connections.acquire_deadline_s",
        "connections.connect_deadline_s",
        "connections.held_limit_s",
        "drain.batch_leads",
        "drain.concurrency",
        "drain.poll_interval_s",
        "log.level",
    }
)
# They belong to one process, not to its kind: several on one host differ.
_OF_ONE_PROCESS = frozenset({"listen.host", "listen.port", "data_dir", "journal.file"})


@dataclass(frozen=True, slots=True)
class Difference:
    """One setting, by its name in the file; values as `describe` shows them, without passwords."""

    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Reload:
    """The result of reading the settings again: `settings` to use from now on, and what needs a restart."""

    settings: Settings
    applied: tuple[Difference, ...] = ()
    needs_restart: tuple[Difference, ...] = ()


def reload(running: Settings, read: Settings) -> Reload:
    """What changes when `read` replaces what is `running`."""
    before, after = values_of(running), values_of(read)
    shown = describe(running), describe(read)
    changed = [name for name in before if before[name] != after[name]]
    differences = [Difference(name, *(text(one[name]) for one in shown)) for name in changed]
    return Reload(
        settings_with(before | {name: after[name] for name in AT_RUN_TIME}),
        tuple(one for one in differences if one.name in AT_RUN_TIME),
        tuple(one for one in differences if one.name not in AT_RUN_TIME),
    )


def text(value: object) -> str:
    """A value as the record of changes shows it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def recorded(settings: Settings) -> dict[str, str]:
    """What is compared with the last record of the same kind of instance."""
    return {name: text(value) for name, value in describe(settings).items() if name not in _OF_ONE_PROCESS}


def fingerprint(settings: Settings) -> str:
    """Twelve hexadecimal digits that tell `recorded` settings from others: instances with the same one agree."""
    lines = "\n".join(f"{name}={value}" for name, value in sorted(recorded(settings).items()))
    return sha256(lines.encode()).hexdigest()[:12]
