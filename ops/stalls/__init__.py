"""Notices what stands still, and what goes wrong without an error: stalls, from the database's own counts."""
