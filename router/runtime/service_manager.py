"""What systemd is told of this process (`Type=notify`): that it runs, that its event loop turns, that it stops."""

import asyncio
import os
import socket
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass

from router.runtime.lifeline import Lifeline
from router.telemetry.logs import get_logger
from router.telemetry.masking import mask_passwords

log = get_logger(__name__)

_STATUS_EVERY_S = 5.0
# Of systemd's limit: two signs of life may be lost.
_WATCHDOG_SHARE = 1 / 3


@dataclass(frozen=True, slots=True)
class ServiceManager:
    """Its socket (`@…` = an abstract one), and how often (seconds) it wants to hear of us."""

    address: str
    every_s: float

    def send(self, *lines: str) -> None:
        """One message, without waiting for its reader. Raises OSError."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.setblocking(False)
            sender.sendto("\n".join(lines).encode(), self.address.replace("@", "\0", 1))


def service_manager(environment: MutableMapping[str, str]) -> ServiceManager | None:
    """The one that started this process, None = nobody wants to be told. Taken out of the environment, so that servers
    started by this process do not speak in its name.
    """
    address = environment.pop("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return None
    return ServiceManager(address, min(_STATUS_EVERY_S, _watchdog_s(environment) * _WATCHDOG_SHARE))


def _watchdog_s(environment: Mapping[str, str]) -> float:
    """After so long a silence (seconds) this process is killed; infinite = never."""
    microseconds = environment.get("WATCHDOG_USEC", "")
    ours = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    return int(microseconds) / 1e6 if ours and microseconds.isdecimal() and int(microseconds) else float("inf")


class ServiceManagerService:
    """A service. Ready = `listening` is set: the probes answer. A database that is away is no reason to be started
    again, so `status`, one line for `systemctl status`, says that instead.
    """

    name = "service manager"
    max_silence_s = 30.0

    def __init__(self, manager: ServiceManager, listening: asyncio.Event, status: Callable[[], str]) -> None:
        self._manager = manager
        self._listening = listening
        self._status = status
        self._heard = True

    async def run(self, life: Lifeline) -> None:
        """Says that we are ready, then that we live, and when it is told to stop that we do: it is stopped first."""
        if not await life.until(self._listening):
            self._send("READY=1")
            while not await life.pause(self._manager.every_s):
                self._send("WATCHDOG=1")
        self._send("STOPPING=1", "stopping")

    def _send(self, state: str, status: str | None = None) -> None:
        line = mask_passwords(status or self._status()).replace("\n", " ")
        try:
            self._manager.send(state, f"STATUS={line}")
        except OSError as error:
            if self._heard:
                log.warning("systemd does not hear of this process", error=str(error))
            self._heard = False
        else:
            self._heard = True
