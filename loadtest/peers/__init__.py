"""lead-router beside other ways to route leads on PostgreSQL: `make bench-peers`."""
