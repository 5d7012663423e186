"""Settings of a process: defaults, then `config/router.yaml`, then `LEAD_ROUTER_…` of the environment."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from router.store.connections import ConnectionSettings


class SettingsError(Exception):
    """A setting is wrong; the message says which, where, and what would be right."""


@dataclass(frozen=True, slots=True)
class DrainSettings:
    """`batch_leads` is the most ready leads in one batch; times are seconds."""

    batch_leads: int = 1000
    poll_interval_s: float = 0.5
    concurrency: int = 4


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be configured. No URL = the embedded server in `data_dir`."""

    database_url: str | None = None
    redis_url: str | None = None
    data_dir: Path = Path(".lead-router")
    listen_host: str = "127.0.0.1"
    listen_port: int = 8380
    log_level: str = "info"
    connections: ConnectionSettings = ConnectionSettings()
    drain: DrainSettings = DrainSettings()


def read_settings(environment: Mapping[str, str], file: Path | None) -> Settings:
    """Raises SettingsError for an unknown or unreadable setting."""
    raise NotImplementedError
