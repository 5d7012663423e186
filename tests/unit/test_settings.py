"""Settings: a mistake is named with its place, a password never is."""

import re
from pathlib import Path
from urllib.parse import quote

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from router.settings.kinds import expected
from router.settings.model import KINDS, Settings, SettingsError, describe, values_of
from router.settings.read import VARIABLES, read_settings, settings_file
from router.telemetry.masking import mask_passwords, mask_url

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


def bounds(name: str) -> tuple[float, float] | None:
    found = re.search(r" from (\S+) to (\S+)$", expected(name))
    return (float(found[1]), float(found[2])) if found else None


def some_value(name: str) -> st.SearchStrategy[object]:
    words = expected(name)
    if words.startswith("a URL"):
        return st.sampled_from(re.findall(r"\w+://", words)).map(lambda scheme: f"{scheme}host:5432/leads")
    if words.startswith("one of"):
        return st.sampled_from(words.removeprefix("one of ").split(", "))
    limits = bounds(name)
    if limits and words.startswith("a whole number"):
        return st.integers(int(limits[0]), int(limits[1]))
    if limits:
        return st.floats(*limits)
    return st.from_regex(r"[a-z][a-z0-9./-]{0,20}", fullmatch=True).map(Path if words == "a path" else str)


@st.composite
def some_values(draw: st.DrawFn) -> dict[str, object]:
    return {name: draw(some_value(name)) for name in draw(st.lists(st.sampled_from(list(KINDS)), unique=True))}


def as_tree(values: dict[str, object]) -> dict[str, object]:
    tree: dict[str, object] = {}
    for name, value in values.items():
        branch = tree
        *sections, last = name.split(".")
        for section in sections:
            branch = branch.setdefault(section, {})  # type: ignore[assignment]
        branch[last] = value if isinstance(value, int | float) else str(value)
    return tree


def variable(name: str) -> str:
    return next(one for one, of in VARIABLES.items() if of == name)


def test_nothing_configured_gives_the_defaults() -> None:
    assert read_settings({}, None) == Settings()


@given(in_file=some_values(), in_environment=some_values())
def test_the_environment_wins_over_the_file_and_the_file_over_the_default(
    folder: Path, in_file: dict[str, object], in_environment: dict[str, object]
) -> None:
    file = written(folder, yaml.safe_dump(as_tree(in_file)))
    environment = {variable(name): str(value) for name, value in in_environment.items()}
    assert values_of(read_settings(environment, file)) == values_of(Settings()) | in_file | in_environment


def test_every_setting_has_a_variable_of_its_own() -> None:
    assert len(VARIABLES) == len(KINDS)
    assert {"LEAD_ROUTER_DATABASE_URL", "LEAD_ROUTER_REDIS_URL"} <= set(VARIABLES)
    assert {"LEAD_ROUTER_DRAIN_BATCH_LEADS", "LEAD_ROUTER_CONNECTIONS_MAXIMUM"} <= set(VARIABLES)


def test_the_delivered_file_names_every_setting_with_its_default() -> None:
    file = ROOT / "config/router.yaml"
    assert read_settings({}, file) == Settings()
    tree = yaml.safe_load(file.read_text(encoding="utf-8"))
    named = {f"{a}.{c}" if isinstance(b, dict) else a for a, b in tree.items() for c in (b or {"": 0})}
    assert named == set(KINDS)


def test_the_manual_explains_every_setting_with_its_default_and_bounds() -> None:
    page = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
    rows = {row[1]: row for row in re.finditer(r"^\| `([^`]+)` \| `([^`]+)` \| ([^|]+) \|([^|]*)\|", page, re.M)}
    assert set(rows) == set(KINDS)
    for name, default in values_of(Settings()).items():
        row = rows[name]
        assert row[2] == variable(name)
        assert row[3].strip("` ") == ("empty" if default is None else str(default))
        if limits := bounds(name):
            assert row[4].strip() == f"{limits[0]:.10g} to {limits[1]:.10g}"


def test_a_misspelt_variable_is_refused_with_the_right_one() -> None:
    message = refusal({"LEAD_ROUTER_CONECTIONS_MAXIMUM": "30"})
    assert "LEAD_ROUTER_CONECTIONS_MAXIMUM" in message
    assert "did you mean LEAD_ROUTER_CONNECTIONS_MAXIMUM?" in message


def test_a_misspelt_key_is_refused_with_its_line_and_the_right_one(folder: Path) -> None:
    file = written(folder, "drain:\n  concurrency: 2\n  batch_lead: 5\n")
    assert refusal({}, file) == f'{file}:3: drain.batch_lead: unknown field; did you mean "batch_leads"?'


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
    setting = VARIABLES[f"LEAD_ROUTER_{name}"]
    message = refusal({f"LEAD_ROUTER_{name}": text})
    assert f"LEAD_ROUTER_{name} is {text!r}, not {expected(setting)}" in message
    section, key = setting.split(".")
    file = written(folder, f"{section}:\n  {key}: '{text}'\n")
    assert refusal({}, file) == f"{file}:2: {setting}: is {text!r}, not {expected(setting)}"


@pytest.mark.parametrize(("text", "value"), [(".5", 0.5), ("1.", 1.0), ("+2", 2.0), (" 3 ", 3.0), ("1e1", 10.0)])
def test_numbers_can_be_written_as_people_write_them(text: str, value: float) -> None:
    assert read_settings({"LEAD_ROUTER_DRAIN_POLL_INTERVAL_S": text}, None).drain.poll_interval_s == value


def test_all_that_is_wrong_with_a_file_is_reported_at_once(folder: Path) -> None:
    file = written(folder, "drain:\n  concurrency: 0\nlog: {level: loud}\nlisten: {prot: 1}\n")
    assert [line.split(":")[1] for line in refusal({}, file).splitlines()] == ["2", "3", "4"]


def test_a_wrong_value_in_the_file_is_refused_also_where_a_variable_replaces_it(folder: Path) -> None:
    file = written(folder, "drain: {concurrency: 0}\n")
    assert "drain.concurrency" in refusal({"LEAD_ROUTER_DRAIN_CONCURRENCY": "2"}, file)


def test_the_limit_of_requests_can_be_left_out_by_the_file_and_by_a_variable(folder: Path) -> None:
    assert read_settings({}, written(folder, "api:\n  requests_per_s:\n")).api.requests_per_s is None
    for text in ("", " "):
        assert read_settings({"LEAD_ROUTER_API_REQUESTS_PER_S": text}, None).api.requests_per_s is None
    assert "LEAD_ROUTER_JOURNAL_FILE is empty" in refusal({"LEAD_ROUTER_JOURNAL_FILE": ""})


def test_an_empty_variable_is_refused_instead_of_meaning_the_embedded_server() -> None:
    assert "LEAD_ROUTER_DATABASE_URL is empty" in refusal({"LEAD_ROUTER_DATABASE_URL": ""})


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("- a", ":1: must be a mapping with keys of database_url, "),
        ("drain: 5", ":1: drain: must be a mapping with keys of batch_leads, "),
        ("drain:\n  batch_leads: [1]", ":2: drain.batch_leads: must be a whole number"),
        ("drain:\n  batch_leads:\n", ":2: drain.batch_leads: is empty"),
        ("drain: {concurrency: 1, concurrency: 2}", ":1: drain.concurrency: is there twice, first on line 1"),
        ("a: b: c", ":1: is not YAML"),
        ("drain: *nothing", ":1: is not YAML"),
        ("a: '\x01'", ":1: holds a character that YAML forbids"),
        ("? [1]\n: 2", ":1:"),
    ],
)
def test_a_broken_file_is_refused_with_its_line(folder: Path, text: str, fragment: str) -> None:
    assert fragment in refusal({}, written(folder, text))


def test_a_file_that_is_not_there_or_not_text_is_refused_by_name(folder: Path) -> None:
    assert "nowhere.yaml: cannot be read" in refusal({}, folder / "nowhere.yaml")
    (folder / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    assert "binary.yaml:1: is not valid UTF-8" in refusal({}, folder / "binary.yaml")


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
            refusal({}, written(folder, yaml.safe_dump({"drain": url}))),
            refusal({}, written(folder, yaml.safe_dump({"database_url": [url]}))),
        ):
            assert text not in message


def test_a_password_in_the_query_is_masked_too() -> None:
    url = "postgresql:///leads?user=router&password=S3cret&sslmode=require"
    shown = describe(read_settings({"LEAD_ROUTER_DATABASE_URL": url}, None))["database_url"]
    assert shown == "postgresql:///leads?user=router&password=***&sslmode=require"


@pytest.mark.parametrize("quoted", ["'s3 cret'", '"s3 cret"', r"\"s3 cret\"", r'"s3\" cret"', '"s3 cret', "'s3 cret"])
def test_a_password_in_quotes_is_masked_whole(quoted: str) -> None:
    for mask in (mask_passwords, mask_url):
        shown = mask(f"host=db password={quoted}")
        assert (shown.startswith("host=db password="), "cret" in shown, "s3" in shown) == (True, False, False)


def test_texts_without_a_password_stay_as_they_are() -> None:
    for text in ("redis://localhost:6379/0", "a@b.example wrote: 1 = 1", "", "postgresql://me@host/db"):
        assert mask_passwords(text) == text


@pytest.mark.parametrize(
    ("variable", "url"),
    [
        ("LEAD_ROUTER_REDIS_URL", "redis://cache:abc"),
        ("LEAD_ROUTER_REDIS_URL", "redis://:secret@cache:70000/0"),
        ("LEAD_ROUTER_DATABASE_URL", "postgresql://u@one:5432,two:x/leads"),
        ("LEAD_ROUTER_DATABASE_URL", "postgresql://u@[::1]:0/leads"),
    ],
)
def test_a_port_that_is_none_is_refused_at_the_start_and_not_shown(variable: str, url: str) -> None:
    with pytest.raises(SettingsError, match="has a port that is not a number") as refused:
        read_settings({variable: url}, None)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("url", ["redis://cache", "redis://u:p@[::1]:6379/0", "unix:///run/redis?db=1"])
def test_a_redis_url_that_is_right_is_taken(url: str) -> None:
    assert read_settings({"LEAD_ROUTER_REDIS_URL": url}, None).redis_url == url
