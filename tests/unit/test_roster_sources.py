"""The file that names the CRM's views: what is wrong is said with its line, and passwords are not."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from ops.roster_sync.sources import EXAMPLE, Source, read_sources
from router.rules.problems import InvalidFile

ROOT = Path(__file__).parents[2]
CRM = {"CRM_DATABASE_URL": "postgresql://u:s3cret@crm/sales"}


def read(tmp_path: Path, text: str, environment: dict[str, str] | None = None) -> dict[str, Source]:
    file = tmp_path / "sync.yaml"
    file.write_text(text)
    return read_sources(file, CRM if environment is None else environment)


def test_the_example_is_read_with_its_url_from_the_environment() -> None:
    source = read_sources(ROOT / EXAMPLE, CRM)["acme"]
    assert source.view == ("crm", "reps")
    assert source.database_url == CRM["CRM_DATABASE_URL"]
    assert (source.every, source.unknown_holds_for) == (timedelta(seconds=30), timedelta(minutes=15))
    assert source.most_lost_share == Decimal("0.2")
    assert source.columns["available"] == "status"
    assert "s3cret" not in repr(source)


def test_a_view_alone_is_enough(tmp_path: Path) -> None:
    assert read(tmp_path, "tenants: {acme: {view: reps}}") == {"acme": Source("acme", (None, "reps"))}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is empty"),
        ("tenants:\n  acme: {every: 30s}", ":2: tenants.acme.view: is missing"),
        ("tenants: {acme: {view: a.b.c}}", "must be a name, or schema.name"),
        ("tenants: {acme: {view: a, evry: 3s}}", 'did you mean "every"?'),
        ("tenants: {acme: {view: a, columns: {name: n}}}", "columns.rep_id: is missing"),
        ("tenants: {acme: {view: a, columns: {rep_id: r, availble: n}}}", 'did you mean "available"?'),
        ("tenants: {acme: {view: a, database_url: $NONE}}", "the environment has no variable NONE"),
        ("tenants: {acme: {view: a, most_lost_share: 20}}", "must be a number from 0 to 1"),
        ("tenants: {acme: {view: a, most_lost_share: nan}}", "must be a number from 0 to 1"),
        ("tenants: {acme: {view: " + "x" * 64 + "}}", "at most 63"),
        ("tenants: [", ":1: is not YAML"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(InvalidFile) as error:
        read(tmp_path, text)
    assert told in str(error.value)


def test_a_url_that_is_none_is_not_shown(tmp_path: Path) -> None:
    with pytest.raises(InvalidFile) as error:
        read(tmp_path, "tenants: {acme: {view: a, database_url: 'mysql://u:s3cret@h/x'}}")
    assert "s3cret" not in str(error.value)
    with pytest.raises(InvalidFile, match="cannot be read"):
        read_sources(tmp_path / "none.yaml", {})
