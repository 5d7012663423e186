"""Settings: a mistake is named with its place, a password never is."""

import re
from pathlib import Path
from urllib.parse import quote

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from router.settings.fields import Field, value_at
from router.settings.model import FIELDS, VARIABLES, Settings, SettingsError, describe, read_settings, settings_file
from router.telemetry.masking import mask_passwords

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("settings")


def written(folder: Path, text: str) -> Path:
    file = folder / "router.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def refusal(environment: dict[str, str], file: Path | None = None) -> str:
    with pytest.raises(SettingsError) as caught:
        read_settings(environment, file)
    return str(caught.value)


def values_of(field: Field) -> st.SearchStrategy[object]:
    if field.url:
        return st.sampled_from(field.url.schemes).map(lambda scheme: f"{scheme}://host:5432/leads")
    if field.choices:
        return st.sampled_from(field.choices)
    if field.limits and field.kind is int:
        return st.integers(int(field.limits.least), int(field.limits.most))
    if field.limits:
        return st.floats(field.limits.least, field.limits.most)
    return st.from_regex(r"[a-z][a-z0-9./-]{0,20}", fullmatch=True).map(field.kind)


@st.composite
def some_values(draw: st.DrawFn) -> dict[tuple[str, ...], object]:
    paths = draw(st.lists(st.sampled_from(list(FIELDS)), unique=True))
    return {path: draw(values_of(FIELDS[path])) for path in paths}


def as_tree(values: dict[tuple[str, ...], object]) -> dict[str, object]:
    tree: dict[str, object] = {}
    for path, value in values.items():
        branch = tree
        for name in path[:-1]:
            branch = branch.setdefault(name, {})  # type: ignore[assignment]
        branch[path[-1]] = value if isinstance(value, int | float) else str(value)
    return tree


def variable(path: tuple[str, ...]) -> str:
    return next(name for name, field in VARIABLES.items() if field.path == path)


def test_nothing_configured_gives_the_defaults() -> None:
    assert read_settings({}, None) == Settings()


@given(in_file=some_values(), in_environment=some_values())
def test_the_environment_wins_over_the_file_and_the_file_over_the_default(
    folder: Path, in_file: dict[tuple[str, ...], object], in_environment: dict[tuple[str, ...], object]
) -> None:
    file = written(folder, yaml.safe_dump(as_tree(in_file)))
    environment = {variable(path): str(value) for path, value in in_environment.items()}
    settings = read_settings(environment, file)
    for path in FIELDS:
        expected = in_environment.get(path, in_file.get(path, value_at(Settings(), path)))
        assert value_at(settings, path) == expected


def test_every_setting_has_a_variable_of_its_own() -> None:
    assert len(VARIABLES) == len(FIELDS)
    assert {"LEAD_ROUTER_DATABASE_URL", "LEAD_ROUTER_REDIS_URL"} <= set(VARIABLES)
    assert {"LEAD_ROUTER_DRAIN_BATCH_LEADS", "LEAD_ROUTER_CONNECTIONS_MAXIMUM"} <= set(VARIABLES)


def test_the_delivered_file_names_every_setting_with_its_default() -> None:
    file = ROOT / "config/router.yaml"
    assert read_settings({}, file) == Settings()
    tree = yaml.safe_load(file.read_text(encoding="utf-8"))
    named = {(a,) if not isinstance(b, dict) else (a, c) for a, b in tree.items() for c in (b or {"": 0})}
    assert named == set(FIELDS)


def test_the_manual_explains_every_setting_with_its_default_and_bounds() -> None:
    page = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
    rows = {row[1]: row for row in re.finditer(r"^\| `([^`]+)` \| `([^`]+)` \| ([^|]+) \|([^|]*)\|", page, re.M)}
    assert set(rows) == {field.name for field in FIELDS.values()}
    for path, field in FIELDS.items():
        row, default = rows[field.name], value_at(Settings(), path)
        assert row[2] == variable(path)
        assert row[3].strip("` ") == ("empty" if default is None else str(default))
        if field.limits:
            assert row[4].strip() == f"{field.limits.least:.10g} to {field.limits.most:.10g}"


def test_a_misspelt_variable_is_refused_with_the_right_one() -> None:
    message = refusal({"LEAD_ROUTER_CONECTIONS_MAXIMUM": "30"})
    assert "LEAD_ROUTER_CONECTIONS_MAXIMUM" in message
    assert "did you mean LEAD_ROUTER_CONNECTIONS_MAXIMUM?" in message


def test_a_misspelt_key_is_refused_with_its_line_and_the_right_one(folder: Path) -> None:
    file = written(folder, "drain:\n  concurrency: 2\n  batch_lead: 5\n")
    assert refusal({}, file) == f"{file}:3: drain.batch_lead is not a setting; did you mean batch_leads?"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("CONNECTIONS_MAXIMUM", "30.5"),
        ("CONNECTIONS_MAXIMUM", "0"),
        ("CONNECTIONS_MAXIMUM", "1001"),
        ("CONNECTIONS_MAXIMUM", "0x10"),
        ("CONNECTIONS_MAXIMUM", "010"),
        ("CONNECTIONS_MAXIMUM", "٣٠"),
        ("CONNECTIONS_MAXIMUM", "thirty"),
        ("DRAIN_POLL_INTERVAL_S", "nan"),
        ("DRAIN_POLL_INTERVAL_S", "inf"),
        ("DRAIN_POLL_INTERVAL_S", "1e999"),
        ("DRAIN_POLL_INTERVAL_S", "0,5"),
        ("DRAIN_POLL_INTERVAL_S", "-1"),
        ("LOG_LEVEL", "loud"),
    ],
)
def test_a_wrong_value_is_refused_with_place_value_and_what_is_right(folder: Path, name: str, text: str) -> None:
    field = VARIABLES[f"LEAD_ROUTER_{name}"]
    message = refusal({f"LEAD_ROUTER_{name}": text})
    assert f"LEAD_ROUTER_{name} is {text!r}, not {field.expected()}" in message
    file = written(folder, f"{field.path[0]}:\n  {field.path[1]}: '{text}'\n")
    assert refusal({}, file) == f"{file}:2: {field.name} is {text!r}, not {field.expected()}"


def test_an_empty_variable_is_refused_instead_of_meaning_the_embedded_server() -> None:
    assert "LEAD_ROUTER_DATABASE_URL is empty" in refusal({"LEAD_ROUTER_DATABASE_URL": ""})


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("- a", ":1: the file must be a mapping"),
        ("drain: 5", ":1: drain must be a mapping"),
        ("drain:\n  batch_leads: [1]", ":2: drain.batch_leads must be a whole number"),
        ("drain:\n  batch_leads:\n", ":2: drain.batch_leads is empty"),
        ("drain: {concurrency: 1, concurrency: 2}", ":1: drain.concurrency stands there twice"),
        ("a: b: c", ":1: is not YAML"),
        ("drain: *nothing", ":1: is not YAML"),
        ("a: '\x01'", "is not YAML"),
        ("? [1]\n: 2", ":1:"),
    ],
)
def test_a_broken_file_is_refused_with_its_line(folder: Path, text: str, fragment: str) -> None:
    assert fragment in refusal({}, written(folder, text))


def test_a_file_that_is_not_there_or_not_text_is_refused_by_name(folder: Path) -> None:
    assert "nowhere.yaml: cannot be read" in refusal({}, folder / "nowhere.yaml")
    (folder / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    assert "binary.yaml: cannot be read" in refusal({}, folder / "binary.yaml")


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "drain:\n", "database_url: ~\n"])
def test_what_a_file_leaves_empty_keeps_its_default(folder: Path, text: str) -> None:
    assert read_settings({}, written(folder, text)) == Settings()


@given(text=st.text(max_size=60))
def test_no_file_ends_in_anything_but_settings_or_a_refusal(folder: Path, text: str) -> None:
    file = folder / "any.yaml"
    file.write_text(text, encoding="utf-8", errors="replace")
    try:
        read_settings({}, file)
    except SettingsError as error:
        assert str(file) in str(error)


def test_variables_of_tests_and_of_kubernetes_are_left_alone() -> None:
    foreign = {
        "LEAD_ROUTER_DATA": "data",
        "LEAD_ROUTER_TEST_DATABASE_URL": "x",
        "LEAD_ROUTER_SERVICE_HOST": "10.0.0.1",
        "LEAD_ROUTER_SERVICE_PORT_HTTP": "80",
        "LEAD_ROUTER_PORT": "tcp://10.0.0.1:80",
        "LEAD_ROUTER_API_PORT_80_TCP_ADDR": "10.0.0.1",
    }
    assert read_settings(foreign, None) == Settings()


def test_the_file_is_the_named_one_or_the_usual_one_or_none(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert settings_file({}) is None
    (folder / "config").mkdir()
    (folder / "config/router.yaml").touch()
    assert settings_file({}) == Path("config/router.yaml")
    assert settings_file({"LEAD_ROUTER_CONFIG": "/etc/router.yaml"}) == Path("/etc/router.yaml")


# -- passwords

passwords = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20).map(
    lambda noise: f"S3cr{noise}et"
)


@given(password=passwords, user=st.sampled_from(["", "router"]))
def test_no_password_of_a_url_is_ever_shown(folder: Path, password: str, user: str) -> None:
    for text in (password, quote(password, safe="")):
        url = f"postgresql://{user}:{text}@db.example:5432/leads?application_name=x"
        shown = describe(read_settings({"LEAD_ROUTER_DATABASE_URL": url}, None))["database_url"]
        assert shown == f"postgresql://{user}:***@db.example:5432/leads?application_name=x"
        assert text not in mask_passwords(f'connecting to "{url}" failed')
        for message in (
            refusal({"LEAD_ROUTER_DATABASE_URL": "x" + url}),
            refusal({"LEAD_ROUTER_LOG_LEVEL": url}),
            refusal({}, written(folder, yaml.safe_dump({"redis_url": url}))),
            refusal({}, written(folder, yaml.safe_dump({url: 1}))),
            refusal({}, written(folder, f"drain: {{\n{url}")),
        ):
            assert text not in message


def test_a_password_in_the_query_is_masked_too() -> None:
    url = "postgresql:///leads?user=router&password=S3cret&sslmode=require"
    shown = describe(read_settings({"LEAD_ROUTER_DATABASE_URL": url}, None))["database_url"]
    assert shown == "postgresql:///leads?user=router&password=***&sslmode=require"


def test_texts_without_a_password_stay_as_they_are() -> None:
    for text in ("redis://localhost:6379/0", "a@b.example wrote: 1 = 1", "", "postgresql://me@host/db"):
        assert mask_passwords(text) == text
