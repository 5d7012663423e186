"""Settings of a process: defaults, then `config/router.yaml`, then `LEAD_ROUTER_…` of the environment."""

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import yaml

from router.settings.fields import Between, Field, Url, fields_of, value_at, with_values
from router.telemetry.instruments import TENANTS_MOST
from router.telemetry.masking import mask_passwords, mask_url

PREFIX = "LEAD_ROUTER_"
FILE_VARIABLE = PREFIX + "CONFIG"
USUAL_FILE = Path("config/router.yaml")


class SettingsError(Exception):
    """A setting is wrong; the message says which, where, and what would be right."""


@dataclass(frozen=True, slots=True)
class DrainSettings:
    """`batch_leads` is the most ready leads in one batch; `concurrency` the tenants drained side by side."""

    batch_leads: Annotated[int, Between(1, 20_000)] = 2000
    poll_interval_s: Annotated[float, Between(0.01, 60)] = 0.5
    concurrency: Annotated[int, Between(1, 256)] = 4


@dataclass(frozen=True, slots=True)
class ConnectionSettings:
    """Sizes are connections, times are seconds."""

    maximum: Annotated[int, Between(1, 1000)] = 8
    acquire_deadline_s: Annotated[float, Between(0.01, 600)] = 10.0
    connect_deadline_s: Annotated[float, Between(0.01, 600)] = 10.0
    held_limit_s: Annotated[float, Between(0.01, 86_400)] = 60.0
    tcp_user_timeout_ms: Annotated[int, Between(100, 600_000)] = 5000


@dataclass(frozen=True, slots=True)
class ListenSettings:
    """Where `/livez`, `/readyz` and `/metrics` answer. Port 0 = any free port."""

    host: str = "127.0.0.1"
    port: Annotated[int, Between(0, 65_535)] = 8380
    check_deadline_s: Annotated[float, Between(0.05, 60)] = 2.0


@dataclass(frozen=True, slots=True)
class LogSettings:
    """`format` auto = for people on a terminal, JSON elsewhere."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "console"] = "auto"


@dataclass(frozen=True, slots=True)
class MetricsSettings:
    """`tenants` is how many tenants get a label of their own; the others are shown together."""

    tenants: Annotated[int, Between(0, TENANTS_MOST)] = 100


@dataclass(frozen=True, slots=True)
class SupervisionSettings:
    """A service that dies is restarted after a random wait below a doubling limit; `deaths_allowed` within
    `deaths_window_s` are survived, one more ends the process so that its orchestrator acts."""

    restart_wait_first_s: Annotated[float, Between(0.001, 60)] = 0.2
    restart_wait_most_s: Annotated[float, Between(0.001, 3600)] = 30.0
    deaths_allowed: Annotated[int, Between(0, 1000)] = 5
    deaths_window_s: Annotated[float, Between(1, 86_400)] = 300.0
    stop_deadline_s: Annotated[float, Between(0.1, 600)] = 4.0


@dataclass(frozen=True, slots=True)
class LockSettings:
    """The stall watch: our own backends that are stuck with a lane are ended after `own_stuck_after_s`; sessions of
    others that stand in our way are left alone (None), cancelled, or ended."""

    look_every_s: Annotated[float, Between(0.1, 60)] = 1.0
    own_stuck_after_s: Annotated[float, Between(0.5, 600)] = 5.0
    cancel_foreign_after_s: Annotated[float | None, Between(1, 86_400)] = None
    terminate_foreign_after_s: Annotated[float | None, Between(1, 86_400)] = None


@dataclass(frozen=True, slots=True)
class RosterSyncSettings:
    """`file` names the views of the CRM that rosters are synced with (None = none are)."""

    file: Path | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be configured. No URL = the embedded server in `data_dir`."""

    database_url: Annotated[str | None, Url(("postgresql", "postgres"))] = None
    redis_url: Annotated[str | None, Url(("redis", "rediss", "unix"))] = None
    data_dir: Path = Path(".lead-router")
    listen: ListenSettings = ListenSettings()
    log: LogSettings = LogSettings()
    metrics: MetricsSettings = MetricsSettings()
    connections: ConnectionSettings = field(default_factory=ConnectionSettings)
    drain: DrainSettings = DrainSettings()
    supervision: SupervisionSettings = SupervisionSettings()
    locks: LockSettings = LockSettings()
    roster_sync: RosterSyncSettings = RosterSyncSettings()


FIELDS = {leaf.path: leaf for leaf in fields_of(Settings)}
VARIABLES = {PREFIX + "_".join(path).upper(): leaf for path, leaf in FIELDS.items()}

# Kubernetes puts the addresses of a Service named lead-router[-…] into every pod; they are nobody's mistake.
_OF_KUBERNETES = re.compile(r"LEAD_ROUTER_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)_\w+)")
_KUBERNETES_ADDRESS = re.compile(r"(tcp|udp|sctp)://")


def settings_file(environment: Mapping[str, str]) -> Path | None:
    """The file to read: the one that LEAD_ROUTER_CONFIG names, else `config/router.yaml` here, else none."""
    if FILE_VARIABLE in environment:
        return Path(environment[FILE_VARIABLE])
    return USUAL_FILE if USUAL_FILE.is_file() else None


def read_settings(environment: Mapping[str, str], file: Path | None) -> Settings:
    """Defaults, changed by `file`, changed by the environment. Raises SettingsError for what is wrong."""
    values = dict(_from_file(file)) if file else {}
    values.update(_from_environment(environment))
    return with_values(Settings(), values)


def describe(settings: Settings) -> dict[str, str | int | float | bool | None]:
    """All settings, flat, by the names of the file (`drain.batch_leads`); passwords are masked."""
    return {leaf.name: _shown(leaf, value_at(settings, path)) for path, leaf in FIELDS.items()}


def _shown(leaf: Field, value: Any) -> Any:
    if leaf.url and value is not None:
        return mask_url(value)
    return str(value) if isinstance(value, Path) else value


def _from_environment(environment: Mapping[str, str]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for variable, text in sorted(environment.items()):
        if not variable.startswith(PREFIX):
            continue
        if variable in VARIABLES:
            leaf = VARIABLES[variable]
            yield leaf.path, _parsed(leaf, text, f"environment variable {variable}")
        elif not _is_foreign(variable, text):
            _refuse_unknown(f"environment variable {variable}", variable, list(VARIABLES))


def _is_foreign(variable: str, text: str) -> bool:
    ours = variable in (FILE_VARIABLE, PREFIX + "DATA") or variable.startswith(PREFIX + "TEST_")
    return ours or bool(_OF_KUBERNETES.fullmatch(variable) or _KUBERNETES_ADDRESS.match(text))


def _from_file(file: Path) -> Iterator[tuple[tuple[str, ...], Any]]:
    try:
        root = yaml.compose(file.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file}: cannot be read: {type(error).__name__}") from None
    except yaml.MarkedYAMLError as error:
        raise SettingsError(_yaml_fault(file, error)) from None
    except yaml.YAMLError:
        raise SettingsError(f"{file}: is not YAML: it holds characters that YAML does not allow") from None
    if root is not None and not _is_null(root):
        yield from _from_mapping(file, root, ())


def _yaml_fault(file: Path, error: yaml.MarkedYAMLError) -> str:
    line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
    # A problem that quotes may quote a password.
    what = error.problem if error.problem and "'" not in error.problem else "syntax error"
    return f"{file}{line}: is not YAML: {what}"


def _from_mapping(file: Path, node: yaml.Node, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    known = list(dict.fromkeys(p[len(path)] for p in FIELDS if p[: len(path)] == path))
    if not isinstance(node, yaml.MappingNode):
        raise SettingsError(f"{_place(file, node)}: {_named(path)} must be a mapping with keys of {', '.join(known)}")
    seen: set[str] = set()
    for key, value in node.value:
        name = key.value if isinstance(key, yaml.ScalarNode) else ""
        if name not in known:
            _refuse_unknown(f"{_place(file, key)}: {'.'.join((*path, name))}", name, known)
        if name in seen:
            raise SettingsError(f"{_place(file, key)}: {'.'.join((*path, name))} stands there twice; keep one")
        seen.add(name)
        yield from _from_value(file, value, (*path, name))


def _from_value(file: Path, node: yaml.Node, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    leaf = FIELDS.get(path)
    if leaf is None:
        if not _is_null(node):
            yield from _from_mapping(file, node, path)
    elif leaf.optional and _is_null(node):
        yield path, None
    elif isinstance(node, yaml.ScalarNode):
        yield path, _parsed(leaf, node.value, f"{_place(file, node)}: {leaf.name}")
    else:
        raise SettingsError(f"{_place(file, node)}: {leaf.name} must be {leaf.expected()}")


def _parsed(leaf: Field, text: str, where: str) -> Any:
    try:
        return leaf.parse(text)
    except ValueError:
        shown = "has a value (not shown, it may hold a password) that is not" if leaf.url else f"is {text!r}, not"
        if not text.strip():
            shown = "is empty, not"
        raise SettingsError(mask_passwords(f"{where} {shown} {leaf.expected()}")) from None


def _refuse_unknown(where: str, name: str, known: list[str]) -> NoReturn:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
    raise SettingsError(mask_passwords(f"{where} is not a setting; {hint}"))


def _named(path: tuple[str, ...]) -> str:
    return ".".join(path) or "the file"


def _place(file: Path, node: yaml.Node) -> str:
    return f"{file}:{node.start_mark.line + 1}"


def _is_null(node: yaml.Node) -> bool:
    return node.tag == "tag:yaml.org,2002:null"
