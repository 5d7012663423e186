"""What a scraper would read of the instruments of a test."""

from prometheus_client.parser import text_string_to_metric_families

from router.telemetry.exposition import Exposition


def value(exposition: Exposition, name: str, **labels: str) -> float | None:
    """Of one series; None = it is not shown."""
    for family in text_string_to_metric_families(exposition.text().decode()):
        for sample in family.samples:
            if sample.name == f"lead_router_{name}" and sample.labels == labels:
                return sample.value
    return None
