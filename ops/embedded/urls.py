"""Where the servers of a command are, and the error of a command that has none."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Urls:
    """Where the servers are; None = without Redis."""

    database: str
    redis: str | None


class ServersError(Exception):
    """There are no servers to work on, or a person must act first; the message says what to do."""


class NoDatabase(ServersError):
    """No database is configured, and the data folder has none."""
