"""The service as people watch it: Prometheus and Alertmanager with the project's own files, and who is notified."""
