"""The console as a service: its address, its operations, its sessions."""

import os
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from ops.api.means import Means
from ops.api.running import Jobs
from ops.console.application import Console
from ops.console.routes import NAV, ROUTES
from ops.console.session import KEY_BYTES, Sessions
from ops.console.view import Shared
from router.domain.access import Token, TokenKey
from router.http.access import Access
from router.http.api import TokenUsesService, tls_context
from router.http.failed_attempts import FailedAttempts
from router.http.lead_door import LeadDoor
from router.http.operations import Operation
from router.http.serving import Address
from router.runtime.lifeline import Lifeline
from router.runtime.supervisor import StartRefused
from router.settings.model import ConsoleSettings
from router.store.connections.connections import Connections, Part
from router.store.tokens import find_token
from router.telemetry.instruments import Instruments

_LOOK_UP_DEADLINE_S = 2.0
_SILENT_S = 75.0
_NEW_TOKEN = "lead-router tokens create ME --all-tenants --role admin"
_LAST_COMMITS_S = 0.5


class ConsoleService:
    """A service. `operations` are those of the API, over which the pages are made; `jobs` are shared with it. `say`
    tells a person where the console is (None = there is none who started us).
    """

    name = "console"
    max_silence_s = 10.0

    def __init__(
        self,
        settings: ConsoleSettings,
        connections: Connections,
        operations: Sequence[Operation],
        means: Means,
        jobs: Jobs,
        *,
        max_connections: int,
        say: Callable[[str], None] | None = None,
    ) -> None:
        self._settings = settings
        self._connections = connections
        self._operations = {operation.id: operation for operation in operations}
        self._means, self._jobs, self._say = means, jobs, say
        failed = FailedAttempts()
        self.access = Access(self._find_token, failed, away=lambda: connections.away)
        self._leads = LeadDoor(connections, Instruments.silent().intake, None, failed)
        self._random_key = secrets.token_bytes(KEY_BYTES)
        self._open = partial(
            Address,
            settings.host,
            settings.port,
            "LEAD_ROUTER_CONSOLE_PORT",
            max_connections=max_connections,
            request_s=_SILENT_S,
            event="console listening",
        )
        self.address = self._open()

    @property
    def url(self) -> str:
        """Where a browser finds it, once the address answers."""
        scheme = "http" if self._settings.tls_certificate is None else "https"
        host = "127.0.0.1" if self._settings.host in ("0.0.0.0", "::") else self._settings.host
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{self.address.port}/"

    async def run(self, life: Lifeline) -> None:
        """Answers until the stop. Raises StartRefused when address, certificate or key file cannot be used."""
        settings = self._settings
        self.address = self._open(tls=tls_context(settings.tls_certificate, settings.tls_key, "LEAD_ROUTER_CONSOLE"))
        shared = Shared(
            settings,
            self._connections,
            self._operations,
            self._means,
            self._jobs,
            self._leads,
            Sessions(self._random_key if settings.key_file is None else read_key(settings.key_file)),
            self.access,
        )
        try:
            await self.address.serve(Console(shared, ROUTES, NAV).application(), life, announce=self._announce)
        finally:
            shared.uploads.close()
            await self._leads.close(_LAST_COMMITS_S)

    def _announce(self) -> None:
        if self._say is not None:
            self._say(f"console: {self.url} (log in with the token of the first start, or a new one: {_NEW_TOKEN})")

    async def _find_token(self, shown: TokenKey) -> Token | None:
        async with self._connections.acquire(Part.CONSOLE, _LOOK_UP_DEADLINE_S) as conn:
            return await find_token(conn, shown)


class ConsoleTokenUsesService(TokenUsesService):
    """Stores when tokens were last used to log in or to look."""

    name = "console token uses"


def read_key(file: Path) -> bytes:
    """Raises StartRefused for a file that is not there or too short."""
    try:
        key = file.read_bytes()
    except OSError as error:
        raise StartRefused(f"console.key_file {file} cannot be read: {error.strerror}") from error
    if len(key) < KEY_BYTES:
        raise StartRefused(
            f"console.key_file {file} has {len(key)} bytes, and needs at least {KEY_BYTES}: "
            f"head -c {KEY_BYTES} /dev/urandom > {file}"
        )
    return key


def keep_key(file: Path) -> Path:
    """The key file of one machine, made where there is none, for its owner's eyes only. Raises StartRefused."""
    draft = file.with_name(f"{file.name}.{secrets.token_hex(4)}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as made:
                made.write(secrets.token_bytes(KEY_BYTES))
            # Whole or not at all, whoever else begins at the same time.
            with suppress(FileExistsError):
                file.hardlink_to(draft)
    except OSError as error:
        raise StartRefused(
            f"the key of sessions {file} cannot be made: {error.strerror}; it has to be in a folder that this user may "
            "write to: --data-dir (or console.key_file) names another"
        ) from error
    finally:
        # Where the folder cannot be used, there is none to remove.
        with suppress(OSError):
            draft.unlink(missing_ok=True)
    return file
