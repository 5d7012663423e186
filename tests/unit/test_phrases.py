"""Parts of sentences that every message shares."""

import pytest

from router.domain.phrases import count, duration, listed, suggestion


@pytest.mark.parametrize(
    ("number", "words"), [(0, "0 leads"), (1, "1 lead"), (2, "2 leads"), (1_234_567, "1,234,567 leads")]
)
def test_one_of_a_thing_is_no_plural(number: int, words: str) -> None:
    assert count(number, "lead") == words


def test_a_plural_may_be_irregular() -> None:
    assert (count(1, "batch", "batches"), count(3, "batch", "batches")) == ("1 batch", "3 batches")


def test_a_long_list_says_how_many_more_there_are() -> None:
    assert listed([]) == ""
    assert listed(["a", "b"], limit=2) == "a, b"
    assert listed(["a", "b", "c", "d", "e"], limit=2) == "a, b and 3 more"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-3, "0 s"),
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (3599, "59 min"),
        (3600, "1 h 0 min"),
        (86_399, "23 h 59 min"),
        (100_000, "1 d 3 h"),
    ],
)
def test_a_duration_has_its_two_largest_units(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_a_misspelt_word_leads_to_the_known_one_whatever_its_case() -> None:
    assert suggestion(" Northern-Lihgts", ["Northern-Lights", "south"]) == "Northern-Lights"
    assert suggestion("r01", ["r011", "r012", "x"], limit=2) in ("r011 or r012", "r012 or r011")
    assert suggestion("zzz", ["north"]) is None
