"""What is counted from the database as it comes in and is assigned. `docs/metrics.md` lists the same names."""

from collections.abc import Mapping

from opentelemetry.metrics import Meter

from router.telemetry.labels import OTHER, FewValues, TenantLabel

RULES_SHOWN = 1_500
"""Rules with a series of their own, of all tenants together; the others of a tenant are one."""


class CountedInstruments:
    """Records on a meter, under `namespace`; `label` gives a tenant's label.

    Each lead is counted by one of all instances, so that the sum over instances is right.
    """

    def __init__(self, meter: Meter, namespace: str, label: TenantLabel) -> None:
        self._label = label
        self._rules = FewValues(RULES_SHOWN)
        self._arrived = meter.create_counter(f"{namespace}.leads.arrived", "{lead}", "Leads that came in, by any way")
        self._by_rule = meter.create_counter(f"{namespace}.rule.leads", "{lead}", "Leads that a rule assigned")
        self._fell = meter.create_counter(
            f"{namespace}.leads.fell_through", "{lead}", "Leads that only a rule without conditions took"
        )

    def begins(self, tenant: str) -> None:
        """Shows a tenant at zero, so that its first rise is seen."""
        self.counted(tenant, 0, {}, 0)

    def counted(self, tenant: str, arrived: int, assigned: Mapping[str, int], fell_through: int) -> None:
        """What was new since the last time: leads that came in, and those assigned by the name of their rule."""
        label = self._label(tenant)
        self._arrived.add(arrived, {"tenant": label})
        self._fell.add(fell_through, {"tenant": label})
        for rule, leads in assigned.items():
            self._by_rule.add(leads, {"tenant": label, "rule": rule if self._rules.has(label, rule) else OTHER})
