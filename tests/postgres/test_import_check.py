"""Looking before importing, and the words that a tenant keeps."""

from pathlib import Path

import asyncpg
import pytest

from router.store import tenants
from router.store.synonyms import load_spellings
from tests.postgres.test_import_files import HEADER, Cli, counts, generated, write_csv

EVERYTHING = ("lead", "lead_pool", "merged", "parked", "customer_key")


@pytest.fixture
def cli(database_url: str) -> Cli:
    return Cli(database_url)


@pytest.fixture
async def acme(conn: asyncpg.Connection) -> int:
    return (await tenants.add(conn, "acme", "Asia/Shanghai")).tenant_id


async def test_a_check_says_what_an_import_then_does_and_writes_nothing(
    cli: Cli, conn: asyncpg.Connection, acme: int, tmp_path: Path
) -> None:
    rows = generated()
    bad = [["B1", "web", "soon", *rows[0][3:]], ["", *rows[0][1:]]]
    await cli.load(write_csv(tmp_path / "before.csv", rows[:50]))
    file = write_csv(tmp_path / "leads.csv", [*rows[:300], *bad, *rows[200:], ["W", "WEB", *rows[0][2:]]])
    before = [await conn.fetchval(f"select count(*) from {table}") for table in EVERYTHING]
    code, checked, errors = await cli.load(file, "--check")
    assert (code, checked["checked"]) == (1, True), errors
    assert [await conn.fetchval(f"select count(*) from {table}") for table in EVERYTHING] == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["before.csv", "leads.csv"]
    wrong = "'soon' is not a time such as 2026-03-02T09:30:00+08:00"
    assert (checked["rejects"][0]["column"], checked["rejects"][0]["reason"]) == ("created_at", wrong)
    looked, rejects = tmp_path / "looked.csv", tmp_path / "leads.csv.rejects.csv"
    assert (await cli.load(file, "--check", "--rejects", str(looked)))[0] == 1
    code, said, errors = await cli.load(file)
    assert code == 1, errors
    same = ("encoding", "delimiter", "rows", "new", "repeated", "rejected", "merged", "parked")
    assert {key: said[key] for key in same} == {key: checked[key] for key in same}
    assert (said["new"], said["repeated"], said["rejected"]) == (551, 150, 2)
    assert looked.read_bytes() == rejects.read_bytes()


@pytest.mark.parametrize(
    ("encoding", "delimiter", "taken"),
    [
        ("gb18030", ";", "GB18030, semicolon-separated"),
        ("utf-16", "\t", "UTF-16, tab-separated"),
        ("utf-8-sig", "|", "UTF-8 with byte order mark, pipe-separated"),
    ],
)
async def test_an_import_says_what_it_took_the_file_for(
    cli: Cli, acme: int, tmp_path: Path, encoding: str, delimiter: str, taken: str
) -> None:
    rows = [[cell.replace("\n", " ") for cell in row] for row in generated()[:20]]
    lines = [delimiter.join(cell.replace(delimiter, " ").replace('"', "") for cell in row) for row in [HEADER, *rows]]
    file = tmp_path / "leads.csv"
    file.write_bytes("\r\n".join([*lines, ""]).encode(encoding))
    code, out, errors = await cli.run("leads", "import", str(file), "--tenant", "acme")
    assert code == 0, errors
    assert taken in out
    code, said, _ = await cli.load(file)
    assert (code, said["repeated"], said["encoding"], said["delimiter"]) == (0, 20, encoding, delimiter)
    code, said, more = await cli.load(file, "--encoding", encoding, "--delimiter", delimiter)
    assert (code, said["repeated"]) == (0, 20), more


@pytest.mark.parametrize(
    ("content", "arguments", "said"),
    [
        (b"external_id,name\n1,x\n2,y\0\n", [], "a.csv:3: holds a NUL"),
        (b"external_id,name\n1,x\n2", [], "a.csv:3: the file ends in the middle of this line"),
        (b'external_id,name\n1,x\n2,"y\n3,z\n', [], "a.csv:3: a quote is opened in this row and never closed"),
        (b"external_id,name\n1,x\n2," + b"y" * 10_000_000 + b"\n", [], "a.csv:3: the row that begins here has more"),
        (b"external_id" + b",c" * 5_000, [], "names 5,001 columns; at most 2,000 are allowed"),
        (b"external_id," * 500_000, [], "has more than 1,048,576 characters"),
        (b"PK\x03\x04", [], "a damaged workbook or ZIP archive"),
        (b"1,x\n2,y\n", [], "external_id: no column is mapped to external_id; the file has 1, x"),
        (b"external_id,name\n1,x\n", ["--encoding", "utf-99"], "'utf-99' is not a known encoding"),
        (b"external_id,name\n1,x\n", ["--delimiter", "ab"], "'ab' is not a delimiter"),
        (b"external_id,name\n1,x\n", ["--delimiter", ";"], "was read as UTF-8, semicolon-separated"),
    ],
)
async def test_a_broken_file_is_refused_whole(
    cli: Cli, conn: asyncpg.Connection, acme: int, tmp_path: Path, content: bytes, arguments: list[str], said: str
) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    for check in ([], ["--check"]):
        code, document, errors = await cli.load(tmp_path / "a.csv", *arguments, *check, "--batch", "1")
        assert (code, document) == (2, {}), errors
        assert said in errors
        assert "Traceback" not in errors
    assert await counts(conn) == (0, 0, 0, 0)
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


async def synonyms(cli: Cli, *arguments: str) -> tuple[int, str, str]:
    return await cli.run("leads", "synonyms", *arguments, "--tenant", "acme")


async def test_words_of_a_tenant_hold_for_its_next_leads_and_never_double_the_last_ones(
    cli: Cli, conn: asyncpg.Connection, acme: int, tmp_path: Path
) -> None:
    words = tmp_path / "words.csv"
    words.write_text("field,word,spelling\nregion,上海,Shanghai\nsource,谷歌,Google\n")
    code, out, errors = await synonyms(cli, "import", str(words))
    assert (code, "2 words: 2 new or changed, 0 removed" in out) == (0, True), errors
    assert "0 new or changed, 0 removed" in (await synonyms(cli, "import", str(words)))[1]
    file = write_csv(
        tmp_path / "a.csv", [["1", "谷歌", "上海"], ["1", "google", "shanghai"]], ["external_id", "source", "region"]
    )
    code, said, errors = await cli.load(file)
    assert (code, said["new"], said["repeated"]) == (0, 1, 1), errors
    stored = await conn.fetchrow("select source, region, attributes->'as_it_came'->>'region' from lead")
    assert tuple(stored or ()) == ("Google", "Shanghai", "上海")
    words.write_text("field,word,spelling\nsource,谷歌,Google Ads\n")
    code, _, errors = await synonyms(cli, "import", str(words))
    assert (code, "'谷歌' is spelled" in errors or "source Google already has leads" in errors) == (2, True), errors
    code, _, errors = await synonyms(cli, "import", str(words), "--replace")
    assert (code, "source Google already has leads" in errors) == (2, True)
    assert (await load_spellings(conn, acme)).spelled("source", "谷歌") == "Google"
    code, out, errors = await synonyms(cli, "import", str(words), "--replace", "--renames-sources")
    assert (code, "1 word: 1 new or changed, 1 removed" in out) == (0, True), errors
    assert (await synonyms(cli, "list"))[1].split()[-4:] == ["source", "谷歌", "Google", "Ads"]


async def test_words_of_one_tenant_are_not_those_of_another(conn: asyncpg.Connection, acme: int) -> None:
    other = (await tenants.add(conn, "other", "UTC")).tenant_id
    await conn.execute("insert into synonym values ($1, 'source', 'g', 'Google', 'me')", acme)
    assert (await load_spellings(conn, acme)).spelled("source", "G") == "Google"
    assert (await load_spellings(conn, other)).spelled("source", "G") == "g"
