"""The HTTP client of the OTLP exporters: reads little of an answer, and remembers why the last request failed."""

from contextlib import suppress
from time import monotonic
from typing import Any

import requests

# An answer of a receiver is a few bytes. One that goes on forever must not fill the memory, nor keep the thread.
_MAX_ANSWER = 64 * 1024
_READ_S = 2.0
_PIECE = 4096


class BoundedSession(requests.Session):
    """`problem` is the status or the kind of error of the last request, None = it was taken; never a URL, a header or
    a text of the receiver.
    """

    problem: str | None = None

    def request(self, *arguments: Any, **options: Any) -> requests.Response:
        """As that of requests; the body of the answer is not there."""
        try:
            response = super().request(*arguments, **{**options, "stream": True})
            with response, suppress(Exception):
                # Its status says all; what else it says may be nonsense.
                _read_little(response.raw)
        except Exception as error:
            self.problem = type(error).__name__
            raise
        status = response.status_code
        self.problem = None if 200 <= status < 300 else f"HTTP status {status}"
        return response


def _read_little(raw: Any) -> None:
    """To its end where it is short, so that the connection can be used again; else the rest is not waited for."""
    left, until = _MAX_ANSWER, monotonic() + _READ_S
    while left > 0 and monotonic() < until:
        piece = raw.read1(_PIECE, decode_content=False)
        if not piece:
            return
        left -= len(piece)
