"""The pictures of the pages: sound SVG, the same for the same figures, and a quick run is never shown as a figure."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result

from loadtest.bench.figures import Point, figure
from loadtest.bench.written import write_documents
from loadtest.peers.contenders import CONTENDERS
from loadtest.plots import curves, peers
from loadtest.plots.__main__ import main
from loadtest.plots.curves import CURVES
from loadtest.plots.measured import read

MARKS = "before\n<!-- {0}: written by make plots -->\nold\n<!-- end of {0} -->\nafter\n"


def measured(folder: Path, *, quick: bool = False) -> dict[str, dict[str, Any]]:
    """Curves as `make bench` writes them."""
    points = [Point(1, (100.0, 90.0, 120.0)), Point(2, (150.0, 150.0, 150.0))]
    figures = [figure(one.id, [1.5], "as <it> was", points) for one in CURVES]
    write_documents(folder / "bench.json", [one.document for one in figures], quick)
    return read(folder / "bench.json")


def beside(*, quick: bool = False) -> dict[str, dict[str, Any]]:
    """Peers as `make bench-peers` writes them."""
    common = {"spread": [1, 9], "leads": 10, "tried": {"1 process": 5}, "setting": "1 process", "note": "All."}
    where = {"quick": quick, "on": "2026-11-29", "machine": "two cores"}
    return {
        one.id: {
            "id": one.id,
            "name": one.name,
            "value": 10 * n,
            "does": list(one.does),
            "does_not": list(one.does_not),
            **common,
            **where,
        }
        for n, one in enumerate(CONTENDERS, 1)
    }


def test_a_curve_shows_every_point_and_is_drawn_alike_each_time(tmp_path: Path) -> None:
    figures = measured(tmp_path)
    picture = curves.draw(CURVES[0], figures[CURVES[0].id])
    ElementTree.fromstring(picture)
    assert picture == curves.draw(CURVES[0], figures[CURVES[0].id])
    assert ">100<" in picture
    assert ">150<" in picture
    assert "1: 100 (90 to 120); 2: 150 |" in "\n".join(curves.table(figures))


@pytest.mark.parametrize("quick", [True, False])
def test_a_quick_run_is_called_one_on_every_picture_and_table(tmp_path: Path, quick: bool) -> None:
    figures, others = measured(tmp_path, quick=quick), beside(quick=quick)
    shown = [curves.draw(one, figures[one.id]) for one in CURVES]
    shown += ["\n".join(curves.table(figures)), peers.draw(others), "\n".join(peers.table(others))]
    assert [("QUICK" in one) for one in shown] == [quick] * len(shown)


def test_what_each_peer_does_not_do_stands_beside_its_figure() -> None:
    picture, table = peers.draw(beside()), "\n".join(peers.table(beside()))
    words = " ".join(part.text or "" for part in ElementTree.fromstring(picture).iter())
    for one in CONTENDERS:
        assert one.name in table
        for said in (*one.does, *one.does_not):
            assert said in words
            assert said in table


def plots(folder: Path) -> Result:
    files = ("--bench", str(folder / "bench.json"), "--peers", str(folder / "peers.json"), "--docs", str(folder))
    return CliRunner().invoke(main, files)


def test_only_what_was_measured_is_drawn_and_the_rest_is_named(tmp_path: Path) -> None:
    (tmp_path / "capacity.md").write_text(MARKS.format("scaling"))
    (tmp_path / "performance.md").write_text(MARKS.format("peers"))
    nothing = plots(tmp_path)
    assert nothing.exit_code == 1
    assert "make bench ONLY=scaling" in nothing.stderr
    measured(tmp_path)
    curves_only = plots(tmp_path)
    assert (curves_only.exit_code, "make bench-peers" in curves_only.stderr) == (0, True)
    assert {path.name for path in (tmp_path / "pictures").iterdir()} == {one.file for one in CURVES}
    page = (tmp_path / "capacity.md").read_text()
    assert page.startswith("before\n")
    assert page.endswith("after\n")
    assert "old" not in page
    (tmp_path / "peers.json").write_text(json.dumps(list(beside().values())))
    assert plots(tmp_path).exit_code == 0
    assert "PgQueuer" in (tmp_path / "performance.md").read_text()
    assert (tmp_path / "capacity.md").read_text() == page


def test_a_page_without_marks_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "capacity.md").write_text("mine\n")
    measured(tmp_path)
    assert plots(tmp_path).exit_code == 2
    assert (tmp_path / "capacity.md").read_text() == "mine\n"
    assert not (tmp_path / "pictures").exists()
