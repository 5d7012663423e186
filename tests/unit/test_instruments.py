"""What is counted is what is shown and what the manual lists; strangers cannot make it grow without end."""

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from prometheus_client.parser import text_string_to_metric_families

from ops.stalls.stall import Topic
from router.domain.reason import Reason
from router.drain.outcome import Drained
from router.telemetry.counted_instruments import RULES_SHOWN
from router.telemetry.exposition import Exposition, open_exposition
from router.telemetry.instruments import (
    BatchResult,
    DeliveryResult,
    Instruments,
    Phase,
    ReloadResult,
    SyncResult,
)
from router.telemetry.labels import OTHER
from router.telemetry.limits import MAX_TENANTS
from router.telemetry.notify_instruments import NotifyResult
from router.telemetry.standing_instruments import READY, WAITING, TenantStanding
from tests.metrics_page import METRICS, PAGE, TYPES

CODE = Path(__file__).parents[2]
NOT_VERBS = {"assigned", "refused", "parked", "waits_s", "phases_s", "labels", "show", "silent"}
"""Methods in the files of instruments that record nothing by themselves."""
RECEIVERS = r"\b(?:_?instruments|standing|_?counted|lanes|http|settings|intake|journal|upkeep|notify|_show|_requests)"
"""What instruments and their groups are called where they are used."""
STANDING = TenantStanding({READY: 2, "group_empty": 3}, {"lead_invalid": 1}, {"waiting": 5}, 60.0, 2.0, -1, 9.0)


def use_everything(instruments: Instruments) -> None:
    instruments.batch_done(
        "acme",
        BatchResult.OK,
        0.2,
        Drained(
            phases_s={Phase.CLAIM: 0.01, Phase.DECIDE: 0.02, Phase.WRITE: 0.1},
            assigned=7,
            refused=Counter({Reason.NOBODY_AVAILABLE: 2}),
            parked=Counter({Reason.LEAD_INVALID: 1}),
            waits_s=(0.02, 90.0),
        ),
    )
    instruments.batch_done("acme", BatchResult.LOCKED, 0.001)
    instruments.roster_synced("acme", SyncResult.REFUSED, 2)
    instruments.presence_unknown()
    instruments.redis_fallback("presence", in_use=True)
    instruments.connections_opened(8, ["drain"])
    with instruments.connection_wait("drain"):
        pass
    with instruments.connection_use("drain"):
        pass
    instruments.connection_timed_out("drain")
    instruments.blockers_seen(["lane"], {"lane": 1})
    instruments.session_ended("own", "terminate")
    instruments.standing.stalls(["waiting", "look"], {"acme": {"waiting": (1, 7)}})
    instruments.standing.tenants({"acme": STANDING})
    instruments.standing.findings({("groups_empty", "warning"): 2}, 1_800_000_000.0)
    instruments.standing.groups({("acme", "east"): (3, 2)})
    instruments.counted.counted("acme", 5, {"everyone": 4}, 1)
    instruments.lanes.batch("acme", skipped=True, timed_out=True)
    with instruments.lanes.held():
        pass
    instruments.http.begins("intake", "POST", "/v1/leads", [201, 503])
    instruments.http.answered("intake", "POST", "/v1/leads", 503)
    instruments.settings.in_force("0123456789ab", "drain", 1_800_000_000.0)
    instruments.settings.failed()
    instruments.upkeep.maintenance_seen(1, 0, 5_000, 3)
    instruments.webhook_deliveries(DeliveryResult.DELIVERED, 5)
    instruments.events_behind("acme", 2.5, 1)
    instruments.cleanup_removed("closed", 5)
    instruments.cleanup_ended("done")
    instruments.notify.attempt("wecom", NotifyResult.SENT)
    instruments.notify.queue("oncall", 3, failing=True)
    instruments.journal.holds(3, 1, 4096)
    instruments.journal.taken(4)
    instruments.journal.drained(1)
    instruments.journal.refused("full", 2)
    instruments.connections_open(1, 8)
    instruments.connections_of_all(16, 97)
    instruments.settings_reloaded(ReloadResult.CHANGED)
    instruments.clock_ahead(0.5)
    instruments.upkeep.held("transaction", 12.5, 700)
    instruments.upkeep.slot_wal(1 << 20)
    instruments.upkeep.table("lane", live=1, dead=2, table_bytes=8192, index_bytes=16384)
    instruments.intake.begins()
    instruments.intake.committed(3, 0.01)
    instruments.intake.unreadable("phone", 2)
    instruments.service_restarted("drain")
    instruments.services_started(["drain"])
    instruments.service_died("drain")


def samples(exposition: Exposition) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    families = text_string_to_metric_families(exposition.text().decode())
    return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


def test_the_manual_lists_exactly_what_is_shown_with_type_and_labels() -> None:
    listed = {name: (TYPES[name], labels) for name, labels in METRICS.items()}
    with open_exposition("a", "1") as exposition:
        use_everything(exposition.instruments)
        shown = {}
        for family in text_string_to_metric_families(exposition.text().decode()):
            labels = {label for sample in family.samples for label in sample.labels} - {"le"}
            name = f"{family.name}_total" if family.type == "counter" else family.name
            shown[name] = (family.type, labels)
    assert {name: entry for name, entry in shown.items() if name.startswith("lead_router_")} == listed


def test_the_manual_names_every_result_phase_and_outcome() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for word in (*BatchResult, *Phase, *SyncResult, *ReloadResult, *DeliveryResult, *NotifyResult):
        assert f"`{word}`" in page


def test_a_batch_is_counted_lead_by_lead() -> None:
    with open_exposition("a", "1") as exposition:
        use_everything(exposition.instruments)
        shown = samples(exposition)
    tenant = ("tenant", "acme")
    assert shown["lead_router_leads_assigned_total", frozenset({tenant})] == 7
    refused = frozenset({tenant, ("reason", "nobody_available")})
    assert shown["lead_router_leads_refused_total", refused] == 2
    assert shown["lead_router_leads_parked_total", frozenset({tenant, ("reason", "lead_invalid")})] == 1
    assert shown["lead_router_leads_parked_total", frozenset({tenant, ("reason", "internal_error")})] == 0
    assert shown["lead_router_batches_total", frozenset({tenant, ("result", "locked")})] == 1
    assert shown["lead_router_batch_size_sum", frozenset()] == 10
    latest = frozenset({("statistic", "max"), ("le", "600.0")})
    assert shown["lead_router_assignment_latency_seconds_bucket", latest] == 1


def test_the_number_of_series_is_bounded_whatever_the_number_of_tenants() -> None:
    with open_exposition("a", "1", tenants_most=3) as exposition:
        counts = Drained(assigned=1, refused=Counter(Reason))
        for number in range(500):
            exposition.instruments.batch_done(f"tenant-{number}", BatchResult.OK, 0.1, counts)
        shown = samples(exposition)
    by_tenant = {dict(labels)["tenant"]: n for (name, labels), n in shown.items() if name.endswith("assigned_total")}
    assert by_tenant == {"tenant-0": 1, "tenant-1": 1, "tenant-2": 1, "(other)": 497}


def test_the_most_tenants_that_can_be_set_still_have_series_of_their_own() -> None:
    with open_exposition("a", "1") as exposition:
        for number in range(200):
            exposition.instruments.batch_done(f"tenant-{number}", BatchResult.EMPTY, 0.1)
        assert "otel_metric_overflow" not in exposition.text().decode()


def series_by_instrument(exposition: Exposition) -> Counter[str]:
    """Series of each instrument; those of a histogram are its counts."""
    families = text_string_to_metric_families(exposition.text().decode())
    return Counter(
        sample.name for family in families for sample in family.samples if not sample.name.endswith(("_bucket", "_sum"))
    )


def use_for_many(instruments: Instruments) -> None:
    """What a service with far more tenants, rules, routes and reasons than have series of their own records."""
    states = ("waiting", "assigned", "parked", "merged", "closed", "archived", "removed", "journalled")
    leads = TenantStanding(dict.fromkeys([*WAITING, *map(str, Reason)], 1), dict.fromkeys(map(str, Reason), 1))
    everything = replace(leads, states=dict.fromkeys(states, 1), oldest_s=5.0, unaccounted=1)
    names = [f"tenant-{number}" for number in range(3 * MAX_TENANTS)]
    instruments.standing.tenants(dict.fromkeys(names, everything))
    instruments.standing.stalls(Topic, {name: dict.fromkeys(Topic, (1, 1)) for name in ["", *names]})
    counts = Drained(assigned=1, refused=Counter(Reason), parked=Counter(Reason))
    for name in names:
        instruments.counted.counted(name, 1, {f"rule-{number}": 1 for number in range(40)}, 1)
        instruments.lanes.batch(name, skipped=True)
        instruments.roster_synced(name, SyncResult.FAILED, 1)
        instruments.events_behind(name, 1.0, 1)
        for result in BatchResult:
            instruments.batch_done(name, result, 0.1, counts)
    for number in range(5_000):
        instruments.http.answered("api", "GET", f"/v1/things/{number // 10}", 200 + number % 10)


def test_no_instrument_overflows_with_as_many_tenants_as_can_be_set_and_more() -> None:
    with open_exposition("a", "1", MAX_TENANTS) as exposition:
        use_for_many(exposition.instruments)
        counted = series_by_instrument(exposition)
        text = exposition.text().decode()
    assert {name: number for name, number in counted.items() if number >= 2_000} == {}
    assert "otel_metric_overflow" not in text
    assert RULES_SHOWN <= counted["lead_router_rule_leads_total"] <= RULES_SHOWN + MAX_TENANTS + 1


def test_tenants_without_a_label_of_their_own_are_added_up_and_do_not_replace_each_other() -> None:
    some = TenantStanding({READY: 2}, oldest_s=60.0, placeable_s=5.0, unaccounted=-1)
    others = TenantStanding({READY: 3}, oldest_s=30.0, placeable_s=7.0, unaccounted=2)
    with open_exposition("a", "1", tenants_most=0) as exposition:
        exposition.instruments.standing.tenants({"one": some, "other": others})
        shown = samples(exposition)
    tenant = ("tenant", OTHER)
    assert shown["lead_router_leads_waiting", frozenset({tenant, ("reason", READY)})] == 5
    assert shown["lead_router_leads_waiting_oldest_seconds", frozenset({tenant})] == 60
    assert shown["lead_router_leads_placeable_oldest_seconds", frozenset({tenant})] == 7
    assert shown["lead_router_conservation_errors", frozenset({tenant})] == 3, "they must not cancel each other out"


def test_what_is_over_is_shown_as_nothing_so_that_alerts_end() -> None:
    with open_exposition("a", "1") as exposition:
        standing = exposition.instruments.standing
        use_everything(exposition.instruments)
        standing.tenants({"acme": TenantStanding()})
        standing.findings({}, 1_800_000_001.0)
        standing.stalls(["waiting"], {})
        standing.groups({})
        shown = samples(exposition)
    over = {
        name
        for name in ("leads_waiting", "leads_parked_now", "findings_open", "stalls_open", "stalls_leads", "group_reps")
        if any(value for (shown_as, _), value in shown.items() if shown_as == f"lead_router_{name}")
    }
    assert over == set()


def test_every_instrument_is_recorded_by_the_service_itself() -> None:
    """Each verb of the instruments is called somewhere outside of the tests."""
    groups = {
        path: set(re.findall(r"^    def ([a-z]\w*)\(", path.read_text(), re.MULTILINE)) - NOT_VERBS
        for path in (CODE / "router/telemetry").glob("*instruments.py")
    }
    sources = [p for folder in ("router", "ops") for p in (CODE / folder).rglob("*.py") if p not in groups]
    text = "\n".join(path.read_text() for path in sources)
    within = "\n".join(path.read_text() for path in groups)
    silent = {
        verb
        for verbs in groups.values()
        for verb in verbs
        if not re.search(rf"{RECEIVERS}\.{verb}\b", text) and not re.search(rf"self\.\w+\.{verb}\(", within)
    }
    assert silent == set()


def test_all_that_is_recorded_within_a_span_can_be_exported() -> None:
    """One value that cannot be encoded, in the exemplar of one counter, would keep all metrics back."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    with TracerProvider(shutdown_on_exit=False).get_tracer("test").start_as_current_span("batch"):
        use_everything(Instruments(provider.get_meter("test")))
    data = reader.get_metrics_data()
    assert data is not None
    assert encode_metrics(data).resource_metrics
    provider.shutdown()


def test_two_expositions_in_one_process_share_nothing() -> None:
    with open_exposition("a", "1") as one, open_exposition("b", "1") as other:
        use_everything(one.instruments)
        assert b"lead_router_batches_total" in one.text()
        assert b"lead_router_batches_total" not in other.text()


def test_silent_instruments_take_everything() -> None:
    use_everything(Instruments.silent())
