"""Prometheus, Alertmanager and the sink together."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from loadtest.observe.alertmanager import PROGRAM as ALERTMANAGER
from loadtest.observe.alertmanager import Alertmanager, alertmanager
from loadtest.observe.program import found
from loadtest.observe.prometheus import PROGRAM as PROMETHEUS
from loadtest.observe.prometheus import Prometheus, prometheus
from loadtest.observe.sink import Sink, a_sink


@dataclass(frozen=True, slots=True)
class Ports:
    """Where they listen, 0 = anywhere."""

    prometheus: int = 0
    alertmanager: int = 0


@dataclass(frozen=True, slots=True)
class Watching:
    """What watches, and who is notified."""

    prometheus: Prometheus
    alertmanager: Alertmanager
    sink: Sink


def ensure_installed() -> None:
    """Raises ProgramFailed."""
    for program in (PROMETHEUS, ALERTMANAGER):
        found(program)


@asynccontextmanager
async def watching(
    folder: Path, targets: Sequence[str], times: int = 1, ports: Ports | None = None
) -> AsyncIterator[Watching]:
    """They watch `targets` (host:port), `times` as fast as in production. Files go below `folder`, which every user
    must be able to enter. Raises ProgramFailed.
    """
    where = ports or Ports()
    ensure_installed()
    async with (
        a_sink() as sink,
        alertmanager(folder / "alertmanager", sink.url, times, where.alertmanager) as manager,
        prometheus(folder / "prometheus", targets, manager.url, times, where.prometheus) as asked,
    ):
        yield Watching(asked, manager, sink)
