"""The composition root of the daemon: builds the services of the roles it plays, and supervises them."""

import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from importlib.metadata import version
from random import Random

import structlog

from router.drain.claim import BatchSizes
from router.drain.close_rates import RatesDuty
from router.drain.drain import Drain
from router.drain.hints import Listener as WakeupListener
from router.drain.hints import Wakeups
from router.drain.lane_transaction import Memory
from router.drain.presence import Presence, PresenceWatch
from router.drain.scheduler import DrainService
from router.http.listener import Listener
from router.runtime.connections_watch import ConnectionsWatch
from router.runtime.database_gate import Behind, Gate
from router.runtime.health import Health
from router.runtime.lifeline import MonotonicClock
from router.runtime.reloading import Reloading
from router.runtime.signals import on_hangup, stop_on_signals
from router.runtime.supervisor import Service, Supervisor
from router.settings.model import Settings
from router.store.blocking.busy import check_lanes
from router.store.configuration import record_differences
from router.store.connections.connections import Connections, Part, open_connections
from router.store.lane import LaneLimits
from router.store.statements import Connection
from router.telemetry.exposition import Exposition, open_exposition
from router.telemetry.instruments import Instruments
from router.telemetry.logs import configure_logs

log = structlog.get_logger(__name__)

# Beyond the stop deadline of the supervisor, the process ends whatever still holds it.
_LAST_WORD_S = 0.8
# The server ends a statement of the drain long before, and the watch finds dead wires: the last resort for wires that
# only seem to be alive, longer than a duty may count.
_STATEMENT_DEADLINE_S = 300.0


class Role(StrEnum):
    """What a daemon does."""

    DRAIN = "drain"
    DUTIES = "duties"


@dataclass(frozen=True, slots=True)
class Instance:
    """Who this process is, and what is true of it when it runs."""

    name: str
    roles: frozenset[Role]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the daemon is given: its servers, how to see that the schema is right, and how to read the settings again.

    `schema` returns when the database can be used; it raises StartRefused when a person must act first.
    """

    database_url: str
    redis_url: str | None
    schema: Callable[[], Awaitable[None]]
    reread: Callable[[], Settings]


async def run_daemon(
    settings: Settings,
    around: Surroundings,
    instance: Instance,
    *,
    extra: Callable[[Connections, Exposition], Sequence[Service]] = lambda _connections, _exposition: (),
) -> None:
    """Runs until SIGINT or SIGTERM. `extra` adds services of other packages. A database that is away is waited for.

    Raises ServiceLost when a service died too often or cannot start.
    """
    health = Health(MonotonicClock().monotonic)
    with open_exposition(instance.name, version("lead-router"), settings.metrics.tenants) as exposition:
        async with open_connections(
            around.database_url,
            settings.connections,
            exposition.instruments,
            instance=instance.name,
            statement_deadline_s=_STATEMENT_DEADLINE_S,
        ) as connections:
            cast = cast_of(settings, around, instance, connections, health, exposition, extra(connections, exposition))
            supervisor = Supervisor(
                cast.services,
                settings.supervision,
                health,
                jitter=Random().random,
                instruments=exposition.instruments,
                # A statement that was cancelled waits for the server's answer, which a dead wire never brings.
                late=connections.stock.abandon,
            )
            give_up_s = settings.supervision.stop_deadline_s + _LAST_WORD_S
            with stop_on_signals(supervisor.stop, give_up_s), on_hangup(cast.reloading.ask, supervisor.stop):
                log.info("started", instance=instance.name, roles=sorted(instance.roles))
                await supervisor.run()
    log.info("stopped", instance=instance.name)


async def lanes_can_be_worked(connections: Connections, deadline_s: float) -> None:
    """A readiness check. Raises LanesBlocked with whoever has a table locked that batches write."""
    async with connections.acquire(Part.DUTIES, deadline_s) as conn:
        await check_lanes(conn, deadline_s)


@dataclass(frozen=True, slots=True)
class Cast:
    """All services of a daemon, in the order of their start."""

    services: Sequence[Service]
    reloading: Reloading


def cast_of(
    settings: Settings,
    around: Surroundings,
    instance: Instance,
    connections: Connections,
    health: Health,
    exposition: Exposition,
    extra: Sequence[Service] = (),
) -> Cast:
    """The services of the roles: the listener at once, the others behind the gate that waits for the database."""
    instruments = exposition.instruments
    gate = Gate(around.schema, Random().random)
    routing = _routing(settings, around, connections, instruments) if Role.DRAIN in instance.roles else None
    reloading = Reloading(
        settings,
        around.reread,
        lambda changed: _apply(changed, instance, connections, routing),
        connections,
        instruments,
        instance=instance.name,
        kind=",".join(sorted(instance.roles)),
    )
    watch = ConnectionsWatch(connections, instance.name, health, instruments, _server_recorder(instance.name))
    waiting: list[Service] = [watch, reloading, *(routing.services if routing else ())]
    if Role.DUTIES in instance.roles:
        waiting.append(RatesDuty(connections))
    checks = {"schema": gate.check, "database": connections.check}
    if Role.DRAIN in instance.roles:
        checks["lanes"] = partial(lanes_can_be_worked, connections)
    listener = Listener(settings.listen, health, checks, exposition)
    return Cast([listener, gate, *(Behind(gate, service) for service in (*waiting, *extra))], reloading)


@dataclass(frozen=True, slots=True)
class _Routing:
    """The services that route, and what of them follows the settings."""

    drain: Drain
    service: DrainService
    services: tuple[Service, ...]


def _routing(settings: Settings, around: Surroundings, connections: Connections, instruments: Instruments) -> _Routing:
    presence = Presence(around.redis_url, instruments=instruments)
    wakeups = Wakeups()
    drain = Drain(
        connections,
        token=lambda: secrets.randbits(63),
        instruments=instruments,
        sizes=BatchSizes(ready=settings.drain.batch_leads),
        limits=LaneLimits(tcp_user_ms=settings.connections.tcp_user_timeout_ms),
        memory=Memory(presence=presence),
    )
    service = DrainService(
        drain,
        wakeups,
        jitter=Random().random,
        poll_interval_s=settings.drain.poll_interval_s,
        concurrency=settings.drain.concurrency,
    )
    listener = WakeupListener(connections, wakeups, Random().random)
    return _Routing(drain, service, (listener, PresenceWatch(presence, wakeups.hint), service))


def _apply(settings: Settings, instance: Instance, connections: Connections, routing: _Routing | None) -> None:
    """Uses what can be used at once: `configuration.AT_RUN_TIME`."""
    configure_logs(settings.log.level, settings.log.format, instance.name)
    connections.resize(settings.connections)
    if routing is not None:
        routing.drain.sizes = BatchSizes(ready=settings.drain.batch_leads)
        routing.service.concurrency = settings.drain.concurrency
        routing.service.poll_interval_s = settings.drain.poll_interval_s


def _server_recorder(instance: str) -> Callable[[Connection, dict[str, str]], Awaitable[None]]:
    async def record(conn: Connection, values: dict[str, str]) -> None:
        for change in await record_differences(conn, instance, "server", values, {}, "seen by this instance"):
            log.info(
                "server setting differs from before", setting=change.name, before=change.before, after=change.after
            )

    return record
