"""The composition root of the daemon: builds the services of the roles it plays, and supervises them."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from importlib.metadata import version
from random import Random

import structlog

from router.busy import check_lanes
from router.claim import BatchSizes
from router.drain import Drain
from router.drain_service import DrainService
from router.exposition import Exposition, open_exposition
from router.health import Health
from router.lifeline import MonotonicClock
from router.listener import Listener
from router.presence import Presence, PresenceWatch
from router.rates_duty import RatesDuty
from router.service import Service, Supervisor
from router.settings import Settings
from router.signals import stop_on_signals
from router.store.connections import Connections, Part, open_connections
from router.store.lane import LaneLimits
from router.visit import Memory
from router.wakeups import Listener as WakeupListener
from router.wakeups import Wakeups

log = structlog.get_logger(__name__)

# With fewer connections than this none is kept for listening: polling finds the same work.
_LISTEN_FROM_CONNECTIONS = 4
# Beyond the stop deadline of the supervisor, the process ends whatever still holds it.
_LAST_WORD_S = 0.8


class Role(StrEnum):
    """What a daemon does."""

    DRAIN = "drain"
    DUTIES = "duties"


@dataclass(frozen=True, slots=True)
class Instance:
    """Who this process is, and what is true of it when it runs."""

    name: str
    roles: frozenset[Role]


async def run_daemon(
    settings: Settings,
    database_url: str,
    instance: Instance,
    *,
    redis_url: str | None = None,
    extra: Callable[[Connections, Exposition], Sequence[Service]] = lambda _connections, _exposition: (),
    started: Callable[[int], None] = lambda _port: None,
) -> None:
    """Runs until SIGINT or SIGTERM. `extra` adds services of other packages; `started` hears the listener's port.

    Raises ServiceLost when a service died too often or cannot start, and what opening the connections raises.
    """
    health = Health(MonotonicClock().monotonic)
    with open_exposition(instance.name, version("lead-router"), settings.metrics.tenants) as exposition:
        async with open_connections(database_url, settings.connections, exposition.instruments) as connections:
            checks = {"database": connections.check}
            if Role.DRAIN in instance.roles:
                checks["lanes"] = partial(lanes_can_be_worked, connections)
            listener = Listener(settings.listen, health, checks, exposition)
            presence = Presence(redis_url, instruments=exposition.instruments)
            routing = _services(settings, database_url, instance, connections, exposition, presence)
            services: list[Service] = [listener, *routing]
            services += extra(connections, exposition)
            supervisor = Supervisor(
                services,
                settings.supervision,
                health,
                jitter=Random().random,
                instruments=exposition.instruments,
            )
            give_up_s = settings.supervision.stop_deadline_s + _LAST_WORD_S
            with stop_on_signals(supervisor.stop, give_up_s):
                log.info("started", instance=instance.name, roles=sorted(instance.roles))
                await supervisor.run()
    log.info("stopped", instance=instance.name)


async def lanes_can_be_worked(connections: Connections, deadline_s: float) -> None:
    """A readiness check. Raises LanesBlocked with whoever has a table locked that batches write."""
    async with connections.acquire(Part.DUTIES, deadline_s) as conn:
        await check_lanes(conn, deadline_s)


def _services(
    settings: Settings,
    database_url: str,
    instance: Instance,
    connections: Connections,
    exposition: Exposition,
    presence: Presence,
) -> list[Service]:
    services: list[Service] = []
    if Role.DRAIN in instance.roles:
        wakeups = Wakeups()
        if settings.connections.maximum >= _LISTEN_FROM_CONNECTIONS:
            connect_s = settings.connections.connect_deadline_s
            services.append(WakeupListener(database_url, wakeups, Random().random, connect_s))
        drain = Drain(
            connections,
            token=lambda: secrets.randbits(63),
            instruments=exposition.instruments,
            sizes=BatchSizes(ready=settings.drain.batch_leads),
            limits=LaneLimits(tcp_user_ms=settings.connections.tcp_user_timeout_ms),
            memory=Memory(presence=presence),
        )
        services.append(PresenceWatch(presence, wakeups.hint))
        services.append(
            DrainService(
                drain,
                wakeups,
                jitter=Random().random,
                poll_interval_s=settings.drain.poll_interval_s,
                concurrency=min(settings.drain.concurrency, max(1, settings.connections.maximum - 1)),
            )
        )
    if Role.DUTIES in instance.roles:
        services.append(RatesDuty(connections))
    return services
