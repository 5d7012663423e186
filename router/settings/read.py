"""Reading the settings: defaults, then `config/router.yaml`, then `LEAD_ROUTER_…` of the environment."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from router.domain.phrases import suggestion
from router.settings.kinds import WrongValue, may_be_emptied, parsed
from router.settings.model import KINDS, Settings, SettingsError, settings_with
from router.telemetry.masking import mask_passwords

PREFIX = "LEAD_ROUTER_"
FILE_VARIABLE = PREFIX + "CONFIG"
USUAL_FILE = Path("config/router.yaml")
VARIABLES = {PREFIX + name.replace(".", "_").upper(): name for name in KINDS}

# Those of tests, and those that `maintenance run` gives to its command, which may be one of ours.
_OURS = (PREFIX + "TEST_", PREFIX + "MAINTENANCE_")
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
    values: dict[str, Any] = {}
    if file:
        # YAML costs what starting without a file need not pay.
        from router.settings.file import values_in  # noqa: PLC0415

        values |= values_in(file)
    values |= _from_environment(environment)
    return settings_with(values)


def sources(environment: Mapping[str, str], file: Path | None) -> dict[str, str]:
    """Where the value of every setting comes from: a variable, the file, or `default`. Raises SettingsError."""
    found = dict.fromkeys(KINDS, "default")
    if file:
        from router.settings.file import values_in  # noqa: PLC0415

        found |= dict.fromkeys(values_in(file), f"file {file}")
    return found | {name: variable for variable, name in VARIABLES.items() if variable in environment}


def _from_environment(environment: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
    for variable, text in sorted(environment.items()):
        if variable in VARIABLES:
            name = VARIABLES[variable]
            try:
                yield name, None if not text.strip() and may_be_emptied(name) else parsed(name, text)
            except WrongValue as wrong:
                raise SettingsError(mask_passwords(f"environment variable {variable} {wrong}")) from None
        elif variable.startswith(PREFIX) and not _is_foreign(variable, text):
            near = suggestion(variable, VARIABLES)
            hint = f"did you mean {near}?" if near else f"there are {', '.join(VARIABLES)}"
            raise SettingsError(mask_passwords(f"environment variable {variable} is not a setting; {hint}"))


def _is_foreign(variable: str, text: str) -> bool:
    ours = variable in (FILE_VARIABLE, PREFIX + "DATA", PREFIX + "TENANT") or variable.startswith(_OURS)
    return ours or bool(_OF_KUBERNETES.fullmatch(variable) or _KUBERNETES_ADDRESS.match(text))
