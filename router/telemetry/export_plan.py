"""What is exported where: from our settings, and from OpenTelemetry's own environment variables. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

DEFAULT_SAMPLE_SHARE = 0.1

_BASE = "OTEL_EXPORTER_OTLP_ENDPOINT"
_HTTP = "http/protobuf"
_SIGNALS = ("traces", "metrics")


@dataclass(frozen=True, slots=True)
class ExportWishes:
    """What our settings say. `endpoint` = the base URL of a receiver of OTLP over HTTP (None = OpenTelemetry's
    variables name one, or none does); `sample_share` = of the traces that begin here (None = by those variables, or a
    tenth); times are seconds; `metrics_every_s` None = by those variables, or 60 s.
    """

    endpoint: str | None = None
    sample_share: float | None = None
    metrics_every_s: float | None = None
    queue_spans: int = 2048
    flush_deadline_s: float = 2.0


@dataclass(frozen=True, slots=True)
class ExportPlan:
    """`traces` and `metrics` are the URLs that they are posted to (None = they are not). `sample_share` None =
    OpenTelemetry's own variables have a sampler. `problems` are sentences: why something is not exported.
    """

    wishes: ExportWishes
    traces: str | None = None
    metrics: str | None = None
    sample_share: float | None = None
    problems: tuple[str, ...] = ()

    @property
    def exports(self) -> bool:
        """Whether anything is."""
        return self.traces is not None or self.metrics is not None


def plan_exports(wishes: ExportWishes, environment: Mapping[str, str]) -> ExportPlan:
    """What is exported. What is wrong in the environment keeps nobody from routing: it is named, and not exported."""
    if _value(environment, "OTEL_SDK_DISABLED").lower() == "true":
        return ExportPlan(wishes)
    problems: list[str] = []
    urls = {signal: _url(signal, wishes, environment, problems) for signal in _SIGNALS}
    share = wishes.sample_share
    if share is None and not _value(environment, "OTEL_TRACES_SAMPLER"):
        share = DEFAULT_SAMPLE_SHARE
    return ExportPlan(wishes, urls["traces"], urls["metrics"], share, tuple(dict.fromkeys(problems)))


def _url(signal: str, wishes: ExportWishes, environment: Mapping[str, str], problems: list[str]) -> str | None:
    exporter = f"OTEL_{signal.upper()}_EXPORTER"
    wanted = _value(environment, exporter)
    if wanted == "none":
        return None
    if wishes.endpoint is not None:
        return f"{wishes.endpoint.rstrip('/')}/v1/{signal}"
    own, url = _of_environment(signal, environment)
    if not url:
        return None
    problem = _problem(signal, own, url, environment)
    if wanted not in ("", "otlp"):
        problem = f"{exporter} is {wanted!r}; there are otlp and none"
    if problem is not None:
        problems.append(f"{problem}: {signal} are not exported")
        return None
    return url


def _of_environment(signal: str, environment: Mapping[str, str]) -> tuple[str, str]:
    """The variable that names an endpoint, and the URL for this signal; both are empty where none does."""
    own = f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT"
    if url := _value(environment, own):
        return own, url
    base = _value(environment, _BASE)
    return (_BASE, f"{base.rstrip('/')}/v1/{signal}") if base else ("", "")


def _problem(signal: str, variable: str, url: str, environment: Mapping[str, str]) -> str | None:
    """Why the endpoint cannot be used. Its URL is not shown: it may hold a password or a key."""
    if not url.startswith(("http://", "https://")):
        return f"{variable} is not a URL that begins with http:// or https://"
    for name in (f"OTEL_EXPORTER_OTLP_{signal.upper()}_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"):
        if protocol := _value(environment, name):
            return None if protocol == _HTTP else f"{name} is {protocol!r}; only {_HTTP} is spoken"
    return None


def _value(environment: Mapping[str, str], name: str) -> str:
    """Empty is the same as not set, as OpenTelemetry has it."""
    return environment.get(name, "").strip()
