"""What the database's errors mean to the product: one place that knows."""

import asyncpg


class NoConnection(Exception):
    """No connection became free before the deadline. What was asked for was not done; ask again."""


TRANSIENT_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, NoConnection)
"""What may go away by itself: what was under way was rolled back, and another attempt may succeed."""
