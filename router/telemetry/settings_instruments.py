"""What this process is, and by which settings it works. `docs/metrics.md` lists the same names."""

from opentelemetry.metrics import CallbackOptions, Meter, Observation


class SettingsInstruments:
    """Shows what is in force, and nothing that was."""

    def __init__(self, meter: Meter, namespace: str) -> None:
        self._settings: tuple[str, str] | None = None
        self._read_at: float | None = None
        self._failed = 0
        meter.create_observable_gauge(
            f"{namespace}.settings.info", [self._shown], "{configuration}", "1, with the hash of the settings in force"
        )
        meter.create_observable_gauge(
            f"{namespace}.settings.read_at", [self._read], "s", "When the settings in force were read (Unix time)"
        )
        meter.create_observable_gauge(
            f"{namespace}.settings.reload_failed", [self._is_failed], "{reload}", "1 = the last reading of them failed"
        )

    def in_force(self, fingerprint: str, roles: str, at: float) -> None:
        """Settings that were read at `at` (Unix time, seconds), by a process with these roles."""
        self._settings, self._read_at, self._failed = (fingerprint, roles), at, 0

    def failed(self) -> None:
        """They could not be read again: those before stay in force."""
        self._failed = 1

    def _shown(self, _options: CallbackOptions) -> list[Observation]:
        if self._settings is None:
            return []
        fingerprint, roles = self._settings
        return [Observation(1, {"hash": fingerprint, "roles": roles})]

    def _read(self, _options: CallbackOptions) -> list[Observation]:
        return [] if self._read_at is None else [Observation(self._read_at)]

    def _is_failed(self, _options: CallbackOptions) -> list[Observation]:
        return [] if self._read_at is None else [Observation(self._failed)]
