"""The dashboards of Grafana: what they show, and the JSON that Grafana reads. Only for development."""
