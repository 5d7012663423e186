"""What a reader types from a page does what the page shows."""

import re
from html import unescape
from pathlib import Path

import pytest

from tests.e2e.commands import PROJECT
from tests.pages.beside import Around
from tests.pages.scenes import SCENES, Scene, run, section
from tests.pages.transcript import Step, masked, matches, rewritten, steps_of


@pytest.mark.direct
@pytest.mark.parametrize("scene", SCENES, ids=str)
async def test_the_commands_of_a_page_print_what_it_shows(
    scene: Scene, reachable_folder: Path, database_url: str, request: pytest.FixtureRequest
) -> None:
    folder = reachable_folder / f"page{SCENES.index(scene)}"
    typed = await run(scene, folder, database_url)
    assert typed
    for step, done in typed:
        assert done.code == scene.code(step.command), (step.command, *done.lines)
        if step.shown:
            assert matches(step.shown, done.lines), "\n".join([step.command, *done.lines, "--- shown:", *step.shown])


PAGE = """# A
```console
$ one --x \\
    y
2026-03-02 10:00:00  first   1 s
…
last …
$ two    # says nothing

$ three
text
```
## B
```sh
$ not this
```
"""


def test_commands_and_what_they_print_are_told_apart() -> None:
    one, two, three = steps_of(PAGE)
    assert (one.command, two.command, three.command) == ("one --x \\\n    y", "two    # says nothing", "three")
    assert one.shown == ("2026-03-02 10:00:00  first   1 s", "…", "last …")
    assert (two.shown, three.shown) == ((), ("text",))
    assert PAGE.splitlines()[one.first : one.last] == list(one.shown)


@pytest.mark.parametrize(
    ("printed", "true"),
    [
        (["2026-11-29 19:01:02  first    37.5 s", "last word"], True),
        (["2026-11-29 19:01:02  first  1 s", "between", "", "last word", ""], True),
        (["2026-11-29 19:01:02  second  1 s", "last word"], False),
        (["2026-11-29 19:01:02  first  1 s", "lost word"], False),
        (["2026-11-29 19:01:02  first  1 s", "last word", "more"], False),
        (["2026-11-29 19:01:02  first  1 s"], False),
        ([], False),
    ],
)
def test_a_page_is_held_to_what_it_shows_apart_from_times_and_what_it_leaves_out(
    printed: list[str], true: bool
) -> None:
    (step, *_) = steps_of(PAGE)
    assert matches(step.shown, printed) is true


def test_only_what_is_not_true_is_written_anew() -> None:
    one, _, three = steps_of(PAGE)
    said = {one: ["2026-11-30 10:00:00  first  2 s", "last of all"], three: ["another", "text"]}
    assert rewritten(PAGE, said) == PAGE.replace("$ three\ntext\n", "$ three\nanother\ntext\n")


def test_a_page_is_right_on_every_day_of_the_week() -> None:
    days = ("Parked on Tue 2026-12-29 21:36 Europe/Berlin", "Parked on Wed 2026-12-30 00:48 Europe/Berlin")
    assert masked(days[0]) == masked(days[1])
    assert masked("Tue 09:00") != masked("Wed 09:00")


def test_what_has_another_name_each_time_is_typed_by_its_own_and_read_by_the_pages() -> None:
    around = Around({"14488": "77", "14489": "14488", "https://crm.example.com": "http://localhost:8000"})
    assert around.typed("end 14488 14489 144889") == "end 77 14488 144889"
    assert around.read("14488 (process 77), 770: http://localhost:8000/hooks") == (
        "14489 (process 14488), 770: https://crm.example.com/hooks"
    )
    assert Around().typed("end 1") == Around().read("end 1") == "end 1"


def test_a_section_ends_with_the_next_heading() -> None:
    text = "# A\n## B\nb\n```sh\n# in a block\n```\n### C\nc\n## D\nd\n"
    assert section(text, "B").split() == ["##", "B", "b", "```sh", "#", "in", "a", "block", "```"]
    assert section(text, "B").count("\n") == text.count("\n") - 1


def _typed(page: str) -> list[Step]:
    return next(scene for scene in SCENES if scene.page == page).steps()


def test_the_first_day_has_the_same_commands_in_both_languages() -> None:
    english, chinese = _typed("docs/getting-started.md"), _typed("docs/getting-started.zh.md")
    assert [one.command for one in english] == [one.command.replace(" --lang zh", "") for one in chinese]
    assert any("--lang zh" in one.command for one in chinese)


def test_the_picture_of_why_shows_what_the_first_day_prints() -> None:
    picture = (PROJECT / "docs/pictures/why.svg").read_text(encoding="utf-8")
    drawn = [masked(unescape(text)) for text in re.findall(r"ui-monospace[^>]*>([^<]+)<", picture)]
    [why] = [one for one in _typed("docs/getting-started.md") if one.command.startswith("lead-router why HX-0007")]
    printed = "\n".join(map(masked, why.shown))
    assert len(drawn) > 5
    assert [line for line in drawn if line not in printed] == []


def test_the_readme_begins_with_what_it_is_for_and_has_the_two_commands_of_a_new_user() -> None:
    text = (PROJECT / "README.md").read_text(encoding="utf-8")
    first_screen = text.partition("\n## ")[0]
    for part in ("**for whom**", "**what goes in**", "**what comes out**", "**what it does not do yet**"):
        assert part in first_screen
    for other in ("the CRM's own rules?", "a job queue?", "a script?"):
        assert f"- **{other}**" in first_screen
    commands = [one.command.partition("#")[0].strip() for one in steps_of(section(text, "Try it"))]
    assert commands == ["make demo", "make test"]
