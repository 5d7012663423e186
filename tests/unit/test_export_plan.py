"""What is exported where: nothing unless asked for; OpenTelemetry's variables hold, and wrong ones stop nobody."""

import pytest

from router.telemetry.export_plan import DEFAULT_SAMPLE_SHARE, ExportWishes, plan_exports

BASE = "OTEL_EXPORTER_OTLP_ENDPOINT"
URL = "http://collector:4318"


def urls(wishes: ExportWishes, **environment: str) -> tuple[str | None, str | None]:
    plan = plan_exports(wishes, environment)
    return plan.traces, plan.metrics


def test_nothing_leaves_the_process_unless_a_receiver_is_named() -> None:
    plan = plan_exports(ExportWishes(), {"OTEL_TRACES_EXPORTER": "otlp", BASE: " "})
    assert (plan.exports, plan.problems) == (False, ())


def test_the_setting_names_the_receiver_of_both_signals() -> None:
    assert urls(ExportWishes(URL)) == (f"{URL}/v1/traces", f"{URL}/v1/metrics")
    assert urls(ExportWishes(f"{URL}/")) == urls(ExportWishes(URL))
    assert urls(ExportWishes(URL), OTEL_EXPORTER_OTLP_ENDPOINT="http://other") == urls(ExportWishes(URL))


def test_a_receiver_that_the_platform_names_is_used() -> None:
    assert urls(ExportWishes(), OTEL_EXPORTER_OTLP_ENDPOINT=URL) == (f"{URL}/v1/traces", f"{URL}/v1/metrics")
    own = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://t/own"}
    assert urls(ExportWishes(), **own) == ("https://t/own", None)
    assert urls(ExportWishes(), **own, OTEL_EXPORTER_OTLP_ENDPOINT=URL) == ("https://t/own", f"{URL}/v1/metrics")


@pytest.mark.parametrize("wishes", [ExportWishes(URL), ExportWishes()], ids=["setting", "platform"])
def test_a_signal_can_be_left_out(wishes: ExportWishes) -> None:
    named = {BASE: URL}
    assert urls(wishes, **named, OTEL_TRACES_EXPORTER="none") == (None, f"{URL}/v1/metrics")
    assert urls(wishes, **named, OTEL_METRICS_EXPORTER="none") == (f"{URL}/v1/traces", None)
    assert urls(wishes, **named, OTEL_SDK_DISABLED="True") == (None, None)


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({BASE: "collector:4318"}, f"{BASE} is not a URL that begins with http:// or https://"),
        ({BASE: "http://u:S3cret@c", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "OTEL_EXPORTER_OTLP_PROTOCOL is 'grpc'"),
        ({BASE: URL, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/json"}, "only http/protobuf is spoken"),
        ({BASE: URL, "OTEL_TRACES_EXPORTER": "zipkin"}, "OTEL_TRACES_EXPORTER is 'zipkin'; there are otlp and none"),
    ],
)
def test_what_cannot_be_exported_is_named_and_shows_no_secret(environment: dict[str, str], says: str) -> None:
    plan = plan_exports(ExportWishes(), environment)
    assert plan.traces is None
    assert any(says in problem and "traces are not exported" in problem for problem in plan.problems), plan.problems
    assert "S3cret" not in str(plan.problems)


def test_a_signal_that_speaks_http_is_exported_though_the_other_cannot_be() -> None:
    named = {BASE: URL, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": "http/protobuf"}
    assert urls(ExportWishes(), **named) == (None, f"{URL}/v1/metrics")


def test_who_decides_which_traces_are_recorded() -> None:
    assert plan_exports(ExportWishes(URL), {}).sample_share == DEFAULT_SAMPLE_SHARE
    assert plan_exports(ExportWishes(URL), {"OTEL_TRACES_SAMPLER": "always_on"}).sample_share is None
    assert plan_exports(ExportWishes(URL, 0.5), {"OTEL_TRACES_SAMPLER": "always_on"}).sample_share == 0.5
