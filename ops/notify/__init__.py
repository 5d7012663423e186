"""The notifier: reports stalls and findings to people, where there is no Prometheus to do it."""
