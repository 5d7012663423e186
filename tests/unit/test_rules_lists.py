"""Lists from files: read beside the rules file, bounded, and refused with file and line when they are none."""

from pathlib import Path

import pytest

from router.domain.conditions import NoneOf, OneOf
from router.domain.ruleset import Match, PriorityRange
from router.rules.document import read_file
from router.rules.file import RulesError, RulesFile, read_rules
from router.rules.lists import lists_beside, stored_lists


def rules(condition: str) -> str:
    return f"rules:\n  - {{name: a, match: {{{condition}}}, assign_to: group:g}}\n"


def read(folder: Path, condition: str) -> RulesFile:
    (folder / "rules.yaml").write_text(rules(condition), "utf-8")
    return read_rules(read_file(folder / "rules.yaml"), "rules.yaml", lists_beside(folder / "rules.yaml"))


def test_a_list_is_read_beside_the_rules_and_kept_with_them(tmp_path: Path) -> None:
    (tmp_path / "lists").mkdir()
    text = "# the coast\r\nShanghai\r\n\r\n  ＮＩＮＧＢＯ  \r\n"
    (tmp_path / "lists" / "cities.txt").write_bytes(b"\xef\xbb\xbf" + text.encode())
    (tmp_path / "more.txt").write_text("Xiamen")
    found = read(tmp_path, "region: {in_file: [more.txt, lists/cities.txt], not: Xiamen}")
    names = ("lists/cities.txt", "more.txt")
    wanted = OneOf("region", frozenset({"shanghai", "ningbo", "xiamen"}), names)
    assert found.ruleset.rules[0].match == Match((wanted,), others=(NoneOf("region", frozenset({"xiamen"})),))
    assert found.lists == {"lists/cities.txt": text, "more.txt": "Xiamen"}
    # what was stored gives the same rules, whatever becomes of the files
    again = read_rules((tmp_path / "rules.yaml").read_text(), "version 1", stored_lists(found.lists))
    assert again.ruleset == found.ruleset


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("cities.txt", None, "cities.txt: No such file or directory"),
        ("cities.txt", b"", "cities.txt: is an empty list"),
        ("cities.txt", b"# only words\n", "cities.txt: is an empty list"),
        ("cities.txt", b"a\n\xff\xfe\n", "cities.txt:2: is not valid UTF-8"),
        ("cities.txt", b"a\nb\tc\n", "cities.txt:2: contains a character that cannot be printed"),
        ("cities.txt", b"# \x00\na\n", "cities.txt: contains a NUL character"),
        ("cities.txt", b"a\n" + b"x" * 1001, "cities.txt:2: has 1,001 characters; the maximum is 1,000"),
        ("cities.txt", b"abc\n" * 1_000_001, "cities.txt: the lists of a ruleset have more than 4,000,000 bytes"),
        (
            "cities.txt",
            b"".join(b"%x\n" % n for n in range(100_001)),
            "cities.txt: has 100,001 values; the maximum is 100,000",
        ),
        ("../cities.txt", b"a", "../cities.txt: must be a file beside the rules file, or in a folder below"),
        ("/etc/passwd", b"a", "/etc/passwd: must be a file beside the rules file"),
    ],
)
def test_what_is_no_list_is_refused_with_its_place(tmp_path: Path, name: str, content: bytes | None, told: str) -> None:
    if content is not None:
        (tmp_path / "cities.txt").write_bytes(content)
    with pytest.raises(RulesError) as caught:
        read(tmp_path, f"region: {{in_file: {name}}}")
    assert str(caught.value).startswith(f"rules.yaml:2: rules[0].match.region.in_file: {told}")


def test_rules_that_come_without_their_lists_are_refused() -> None:
    with pytest.raises(RulesError, match=r"cities\.txt: these rules were given without their lists"):
        read_rules(rules("region: {in_file: cities.txt}"), "r")
    with pytest.raises(RulesError, match=r"cities\.txt: was not stored with these rules"):
        read_rules(rules("region: {in_file: cities.txt}"), "r", stored_lists({}))


@pytest.mark.parametrize(
    ("condition", "told"),
    [
        ("region: {}", "match.region: must be a value, a list, or one of not, prefix, present, in_file"),
        ("region: {nott: x}", 'match.region.nott: unknown field; did you mean "not"?'),
        ("region: {present: false, not: x}", "match.region: present: false excludes all values"),
        ("region: {present: 1}", "match.region.present: must be true or false"),
        ("region: {prefix: []}", "match.region.prefix: is an empty list"),
        ("region: {not: [NO]}", "match.region.not[0]: NO is true or false in YAML"),
        ("priority: {}", "match.priority: must be a number, a list, or some of from, to, not"),
        ("priority: {from: 9, to: 3}", "match.priority: there is no priority from 9 to 3"),
        ("priority: {from: high}", "match.priority.from: must be a whole number"),
    ],
)
def test_a_mistake_in_an_operator_is_named_by_its_field(condition: str, told: str) -> None:
    with pytest.raises(RulesError) as caught:
        read_rules(rules(condition), "r")
    assert [str(one).startswith(f"r:2: rules[0].{told}") for one in caught.value.problems] == [True], caught.value


def test_priorities_from_and_to_are_included() -> None:
    match = read_rules(rules("priority: {from: 3, to: 9, not: [5]}"), "r").ruleset.rules[0].match
    assert match.priority == PriorityRange(3, 9, frozenset({5}))
    assert [n for n in range(12) if n in match.priority] == [3, 4, 6, 7, 8, 9]


def test_rules_that_name_the_same_lists_share_one_set_and_all_combinations_have_a_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A set of its own for each rule would take gigabytes: of a few short rules that name one long list each."""
    monkeypatch.setattr("router.rules.lists.MAX_JOINED", 6)
    lists = stored_lists({"long.txt": "a\nb", "x.txt": "x", "y.txt": "y", "z.txt": "z"})

    def ruleset(*named: str) -> str:
        lines = [f"match: {{region: {{in_file: [{one}]}}}}, assign_to: group:g" for one in named]
        return "rules:\n" + "".join(f"  - {{name: r{number}, {line}}}\n" for number, line in enumerate(lines))

    found = read_rules(ruleset("long.txt, x.txt", "x.txt, long.txt, x.txt", "long.txt, y.txt"), "f", lists)
    first, same, _ = (rule.match.one_of[0].values for rule in found.ruleset.rules)
    assert first is same and first == {"a", "b", "x"}
    with pytest.raises(RulesError, match=r"f:4: rules\[2\]\.match\.region.* more than 6 values"):
        read_rules(ruleset("long.txt, x.txt", "long.txt, y.txt", "long.txt, z.txt"), "f", lists)
