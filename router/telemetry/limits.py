"""Limits of the metrics that settings refer to, apart from the instruments, so that settings need no OpenTelemetry."""

# 13 reasons for each tenant stay below the 2,000 series at which OpenTelemetry folds an instrument into one.
MAX_TENANTS = 150
