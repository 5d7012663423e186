"""Parts of sentences, in one way everywhere: counts, lists, durations, and what a misspelt word may have meant."""

from collections.abc import Iterable

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


def count(number: int, word: str, words: str | None = None) -> str:
    """`1 lead`, `2,000 leads`; `words` is the plural where it is not the word with an s."""
    return f"{number:,} {word if number == 1 else words or f'{word}s'}"


def listed(items: Iterable[object], limit: int = 5) -> str:
    """`a, b and 3 more`: at most `limit` of them by name."""
    words = [str(item) for item in items]
    more = f" and {len(words) - limit:,} more" if len(words) > limit else ""
    return ", ".join(words[:limit]) + more


def duration(seconds: float) -> str:
    """`45 s`, `12 min`, `3 h 5 min`, `2 d 4 h`: in the two largest units that matter."""
    whole = max(0, round(seconds))
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min"
    if whole < _DAY:
        return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE} min"
    return f"{whole // _DAY} d {whole % _DAY // _HOUR} h"


def suggestion(word: str, known: Iterable[str], limit: int = 1, cutoff: float = 0.6) -> str | None:
    """The known words that may have been meant, whatever their case, as `a` or `a or b`; None when none is near."""
    import difflib  # noqa: PLC0415 - rarely needed, and commands start often

    spelled = {one.casefold(): one for one in known}
    near = difflib.get_close_matches(word.strip().casefold(), spelled, n=limit, cutoff=cutoff)
    return " or ".join(spelled[one] for one in near) or None
