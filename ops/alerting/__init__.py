"""The rules of Prometheus: where an alert leads the person who gets it."""
