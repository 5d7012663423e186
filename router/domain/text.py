"""One spelling for comparing texts."""

import unicodedata


def fold(value: str) -> str:
    """The form in which facts and rules are compared: NFKC (full-width becomes plain), trimmed, caseless."""
    return unicodedata.normalize("NFKC", value).strip().casefold()
