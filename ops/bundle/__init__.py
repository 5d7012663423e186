"""The archive of an incident: what was collected, without secrets and without data about people."""
