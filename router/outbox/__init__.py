"""Events out: the feed that others read with a cursor, and webhooks."""
