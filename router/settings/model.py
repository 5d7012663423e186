"""The settings of a process: their names, defaults and bounds."""

from collections.abc import Mapping
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from router.telemetry.limits import MAX_TENANTS
from router.telemetry.masking import mask_url


class SettingsError(Exception):
    """A setting is wrong; the message names the setting, its place, and what would be right."""


def _url(*schemes: str) -> Meta:
    """A URL with one of these schemes. It may hold a password, so its value is never shown."""
    return Meta(pattern=f"^({'|'.join(schemes)})://", extra={"schemes": schemes})


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """Settings that have a key of their own in the file."""


class DrainSettings(Section, frozen=True):
    """`batch_leads` limits the leads of one batch; `concurrency` is the number of tenants drained side by side."""

    batch_leads: Annotated[int, Meta(ge=1, le=20_000)] = 2000
    poll_interval_s: Annotated[float, Meta(ge=0.01, le=60)] = 0.5
    concurrency: Annotated[int, Meta(ge=1, le=256)] = 4


class ConnectionSettings(Section, frozen=True):
    """Sizes are connections, times are seconds. `pooler_console_url` is where PgBouncer's console is (None = where the
    database is).
    """

    maximum: Annotated[int, Meta(ge=1, le=1000)] = 8
    acquire_deadline_s: Annotated[float, Meta(ge=0.01, le=600)] = 10.0
    connect_deadline_s: Annotated[float, Meta(ge=0.01, le=600)] = 10.0
    held_limit_s: Annotated[float, Meta(ge=0.01, le=86_400)] = 60.0
    tcp_user_timeout_ms: Annotated[int, Meta(ge=100, le=600_000)] = 5000
    pooler_console_url: Annotated[str, _url("postgresql", "postgres")] | None = None


class ListenSettings(Section, frozen=True):
    """The address of `/livez`, `/readyz` and `/metrics`. Port 0 = any free port. What a readiness check finds counts
    when it lasts: `unready_after_s` and `ready_after_s` (seconds).
    """

    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65_535)] = 8380
    check_deadline_s: Annotated[float, Meta(ge=0.05, le=60)] = 2.0
    unready_after_s: Annotated[float, Meta(ge=0, le=600)] = 2.0
    ready_after_s: Annotated[float, Meta(ge=0, le=600)] = 4.0


class ApiSettings(Section, frozen=True):
    """The address of the API. Port 0 = any free one. With `tls_certificate` and `tls_key` (PEM files) it speaks TLS;
    `clients` connections at once, each of which may be silent for `idle_s` (seconds). A token may ask `requests_per_s`
    times a second over all instances (None = any number). With `share_port` processes of one user and machine listen on
    one port, and the kernel gives each a part of the connections.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65_535)] = 8381
    clients: Annotated[int, Meta(ge=1, le=100_000)] = 1000
    requests_per_s: Annotated[float, Meta(ge=0.1, le=1_000_000)] | None = 1000.0
    idle_s: Annotated[float, Meta(ge=1, le=86_400)] = 75.0
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    share_port: Literal["no", "yes"] = "no"


class ConsoleSettings(Section, frozen=True):
    """The address of the console. Port 0 = any free one. With `tls_certificate` and `tls_key` (PEM files) it speaks
    TLS; `clients` connections at once. Who logged in stays so for `session_h` (hours). `key_file` has the bytes that
    sign sessions (None = new ones with each start). A page may take `page_deadline_s` (seconds). With `read_only`
    nothing can be changed.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65_535)] = 8382
    clients: Annotated[int, Meta(ge=1, le=100_000)] = 200
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    key_file: Path | None = None
    session_h: Annotated[float, Meta(ge=0.01, le=720)] = 12.0
    page_deadline_s: Annotated[float, Meta(ge=0.1, le=60)] = 8.0
    read_only: Literal["no", "yes"] = "no"


class LogSettings(Section, frozen=True):
    """`format` auto = for people on a terminal, JSON elsewhere."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "console"] = "auto"


class MetricsSettings(Section, frozen=True):
    """`tenants` is how many tenants get a label of their own; the others are shown together. An instance with the role
    `duties` reads the states of leads and the doctor's findings every `look_every_s` (seconds).
    """

    tenants: Annotated[int, Meta(ge=0, le=MAX_TENANTS)] = 100
    look_every_s: Annotated[float, Meta(ge=0.5, le=60)] = 15.0


class TelemetrySettings(Section, frozen=True):
    """Traces and metrics go to `otlp_endpoint`, the base URL of a receiver of OTLP over HTTP (None = to none, unless
    OpenTelemetry's own variables name one). `sample_share` of the traces is recorded (None = by those variables, or a
    tenth); `queue_spans` spans may wait; at the stop what is left has `flush_deadline_s` (seconds).
    """

    otlp_endpoint: Annotated[str, _url("http", "https")] | None = None
    sample_share: Annotated[float, Meta(ge=0, le=1)] | None = None
    metrics_every_s: Annotated[float, Meta(ge=0.1, le=3600)] | None = None
    queue_spans: Annotated[int, Meta(ge=1, le=1_000_000)] = 2048
    flush_deadline_s: Annotated[float, Meta(ge=0, le=60)] = 2.0


class SupervisionSettings(Section, frozen=True):
    """A service that dies is restarted after a random wait below a doubling limit; `deaths_allowed` within
    `deaths_window_s` are survived, one more ends the process so that its orchestrator acts."""

    restart_wait_first_s: Annotated[float, Meta(ge=0.001, le=60)] = 0.2
    restart_wait_most_s: Annotated[float, Meta(ge=0.001, le=3600)] = 30.0
    deaths_allowed: Annotated[int, Meta(ge=0, le=1000)] = 5
    deaths_window_s: Annotated[float, Meta(ge=1, le=86_400)] = 300.0
    stop_deadline_s: Annotated[float, Meta(ge=0.1, le=600)] = 4.0


class LockSettings(Section, frozen=True):
    """The blocking watch: our own backends that are stuck with a lane are ended after `own_stuck_after_s`; sessions of
    others that block us are left alone (None), cancelled, or ended."""

    look_every_s: Annotated[float, Meta(ge=0.1, le=60)] = 1.0
    own_stuck_after_s: Annotated[float, Meta(ge=0.5, le=600)] = 5.0
    cancel_foreign_after_s: Annotated[float, Meta(ge=1, le=86_400)] | None = None
    terminate_foreign_after_s: Annotated[float, Meta(ge=1, le=86_400)] | None = None


class StallSettings(Section, frozen=True):
    """When leads stand still: no assignment for `after_s` although some could be taken, one that waits longer than
    `oldest_after_s`, less than `assigned_share` of what came in, if that is `minimum_leads` or more.
    """

    look_every_s: Annotated[float, Meta(ge=0.1, le=60)] = 10.0
    after_s: Annotated[float, Meta(ge=0.5, le=3600)] = 30.0
    oldest_after_s: Annotated[float, Meta(ge=5, le=604_800)] = 900.0
    assigned_share: Annotated[float, Meta(ge=0, le=1)] = 0.5
    minimum_leads: Annotated[int, Meta(ge=1, le=100_000)] = 20


class EventSettings(Section, frozen=True):
    """`retention_days` is how long events can be read and delivered."""

    retention_days: Annotated[float, Meta(ge=0.01, le=3650)] = 7.0


class WebhookSettings(Section, frozen=True):
    """`concurrency` is attempts under way at a time to one endpoint; each has `timeout_s`."""

    concurrency: Annotated[int, Meta(ge=1, le=256)] = 16
    timeout_s: Annotated[float, Meta(ge=0.1, le=60)] = 15.0
    poll_interval_s: Annotated[float, Meta(ge=0.01, le=60)] = 0.5
    lease_s: Annotated[float, Meta(ge=2, le=600)] = 15.0
    private_addresses: Literal["refused", "allowed"] = "refused"


class NotifySettings(Section, frozen=True):
    """`file` names the channels to which stalls and findings are reported (None = to none); one of all instances looks
    every `look_every_s`. A finding is reported again after `repeat_s`, and as over when it was gone for `over_after_s`.
    """

    file: Path | None = None
    look_every_s: Annotated[float, Meta(ge=0.1, le=3600)] = 15.0
    repeat_s: Annotated[float, Meta(ge=1, le=604_800)] = 14_400.0
    over_after_s: Annotated[float, Meta(ge=0, le=86_400)] = 60.0
    poll_interval_s: Annotated[float, Meta(ge=0.01, le=60)] = 1.0
    timeout_s: Annotated[float, Meta(ge=0.1, le=60)] = 10.0
    lease_s: Annotated[float, Meta(ge=1, le=600)] = 30.0


class JournalSettings(Section, frozen=True):
    """Where the API keeps leads while the database is away (None = it refuses them), and how many at most."""

    file: Path | None = None
    maximum_mb: Annotated[int, Meta(ge=1, le=100_000)] = 512
    maximum_leads: Annotated[int, Meta(ge=1, le=10_000_000)] = 500_000


class CleanupSettings(Section, frozen=True):
    """How long rows are kept, in days, and when old ones are removed: in `window`, in each tenant's zone (`always` = at
    any hour). While leads wait, cleanup works `busy_share` of the time; it stops where the drain gets slower by
    `brake_share`. The least days protect what looks back: replay, audit, close rates, caps.
    """

    service: Literal["on", "off"] = "off"
    window: str = "02:00-04:00"
    closed_leads_days: Annotated[float, Meta(ge=30, le=36_500)] = 730.0
    assignment_history_days: Annotated[float, Meta(ge=30, le=36_500)] = 730.0
    flight_records_days: Annotated[float, Meta(ge=2, le=36_500)] = 35.0
    changes_days: Annotated[float, Meta(ge=30, le=36_500)] = 730.0
    batch_rows: Annotated[int, Meta(ge=1, le=10_000)] = 500
    busy_share: Annotated[float, Meta(ge=0.001, le=1)] = 0.05
    brake_share: Annotated[float, Meta(ge=0.01, le=1)] = 0.25
    look_every_s: Annotated[float, Meta(ge=0.1, le=3600)] = 60.0


class RosterSyncSettings(Section, frozen=True):
    """`file` names the views of the CRM that rosters are synced with (None = none are)."""

    file: Path | None = None


class Settings(Section, frozen=True):
    """Everything that can be configured. No URL = the embedded server in `data_dir`."""

    database_url: Annotated[str, _url("postgresql", "postgres")] | None = None
    redis_url: Annotated[str, _url("redis", "rediss", "unix")] | None = None
    data_dir: Path = Path(".lead-router")
    listen: ListenSettings = ListenSettings()
    api: ApiSettings = ApiSettings()
    console: ConsoleSettings = ConsoleSettings()
    log: LogSettings = LogSettings()
    metrics: MetricsSettings = MetricsSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    connections: ConnectionSettings = ConnectionSettings()
    drain: DrainSettings = DrainSettings()
    supervision: SupervisionSettings = SupervisionSettings()
    locks: LockSettings = LockSettings()
    stalls: StallSettings = StallSettings()
    events: EventSettings = EventSettings()
    webhooks: WebhookSettings = WebhookSettings()
    notify: NotifySettings = NotifySettings()
    journal: JournalSettings = JournalSettings()
    cleanup: CleanupSettings = CleanupSettings()
    roster_sync: RosterSyncSettings = RosterSyncSettings()


def _kinds(section: type[Section], within: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for field in msgspec.structs.fields(section):
        if isinstance(field.type, type) and issubclass(field.type, Section):
            found |= _kinds(field.type, f"{within}{field.name}.")
        else:
            found[within + field.name] = field.type
    return found


KINDS: Mapping[str, Any] = _kinds(Settings)
"""The type of every setting, with its bounds, by its name in the file (`drain.batch_leads`)."""


def values_of(settings: Settings) -> dict[str, Any]:
    """The value of every setting, by its name in the file."""
    return {name: attrgetter(name)(settings) for name in KINDS}


DEFAULTS: Mapping[str, Any] = values_of(Settings())
"""The default of every setting, by its name in the file."""


def settings_with(values: Mapping[str, Any]) -> Settings:
    """Settings with these values, and the defaults for all others."""
    tree: dict[str, Any] = {}
    for name, value in values.items():
        section, _, last = name.rpartition(".")
        (tree.setdefault(section, {}) if section else tree)[last] = value
    return msgspec.convert(tree, Settings)


def describe(settings: Settings) -> dict[str, str | int | float | bool | None]:
    """All settings, flat, by the names of the file (`drain.batch_leads`); passwords are masked."""
    return {name: _shown(value) for name, value in values_of(settings).items()}


def _shown(value: Any) -> Any:
    return mask_url(str(value)) if isinstance(value, str | Path) else value
