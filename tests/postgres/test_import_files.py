"""The import command as people use it: real files, and real processes where they are cut off or run at once."""

import asyncio
import csv
import json
import os
import random
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from ops.cli import main
from router.store import tenants
from tests.command_line import CommandLine
from tests.support import connected, until

LEADS = 600
BATCH = "100"
HEADER = ["external_id", "source", "created_at", "name", "phone", "email", "product", "note"]
HOSTILE = [
    "👩‍🚀",
    "مرحبا بالعالم",
    'a "quoted" one, and\nanother line',
    "'; drop table lead; --",
    "\\N",
    "\t\x01",
    "x" * 9_000,
]
STORED = """
    select source, external_id, created_at, name, phone, email, product, priority, attributes::text, customer_id is null
      from lead where tenant_id = $1 order by source, external_id
"""

# Other tests import into databases of the same server.
HERE = "pg_stat_activity where datname = current_database()"
STORING = r'COPY "lead"\(|insert into lead \('


class Cli:
    """Commands against the test's database: in this process, or in one of their own."""

    def __init__(self, url: str) -> None:
        self._line = CommandLine(main, url)
        self._environment = {**os.environ, "LEAD_ROUTER_DATABASE_URL": url}

    async def run(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code, stdout and stderr. One at a time: `at_once` is for several."""
        done = await self._line.run(*arguments)
        assert done.exception is None or isinstance(done.exception, SystemExit), (arguments, done.exception)
        return done.exit_code, done.stdout, done.stderr

    async def said(self, *arguments: str, code: int = 0) -> str:
        """What it prints to stdout; where it ends with another code, the test ends with all that was said."""
        ended, out, errors = await self.run(*arguments)
        assert ended == code, (arguments, ended, out, errors)
        return out

    async def start(self, *arguments: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", "from ops.cli import main; main()", *arguments),
            env=self._environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def load(self, file: Path, *more: str, tenant: str = "acme") -> tuple[int, dict[str, Any], str]:
        """Exit code, the JSON document (empty when there is none), what stderr said."""
        code, out, errors = await self.run(*_loading(file, tenant, more))
        return code, json.loads(out) if out else {}, errors

    async def at_once(
        self, files: Sequence[Path], *more: str, tenant: str = "acme"
    ) -> list[tuple[int, dict[str, Any], str]]:
        """The same for several files at the same time, in a process each."""
        return await asyncio.gather(*(self._load_beside(_loading(file, tenant, more)) for file in files))

    async def _load_beside(self, arguments: Sequence[str]) -> tuple[int, dict[str, Any], str]:
        process = await self.start(*arguments)
        out, errors = await process.communicate()
        return process.returncode or 0, json.loads(out) if out else {}, errors.decode()


def _loading(file: Path, tenant: str, more: Sequence[str]) -> list[str]:
    return ["leads", "import", str(file), "--tenant", tenant, "--batch", BATCH, "--json", *more]


@pytest.fixture
def cli(database_url: str) -> Cli:
    return Cli(database_url)


@pytest.fixture
async def acme(conn: asyncpg.Connection) -> int:
    return (await tenants.add(conn, "acme", "Asia/Shanghai")).tenant_id


def generated() -> list[list[str]]:
    """Leads in which customers come back, and every tenth lead repeats the one before within the hour."""
    made = []
    for i in range(LEADS):
        n = i - 1 if i % 10 == 9 else i
        time = f"2026-{1 + n // 28 % 10:02}-{1 + n % 28:02}T{n % 24:02}:{'30' if n < i else '00'}:00+08:00"
        email = f"user{n % 200}@example.com" if n % 3 else ""
        name = HOSTILE[n % len(HOSTILE)] if n % 4 == 0 else f"客户{n}"
        phone = f"+861380013{n % 150:04}"
        made.append([f"L{i}", "web", time, name, phone, email, f"p{n}", HOSTILE[n % len(HOSTILE)]])
    return made


def write_csv(path: Path, rows: Sequence[Sequence[str]], header: Sequence[str] = HEADER) -> Path:
    with path.open("w", newline="", encoding="utf-8") as out:
        csv.writer(out).writerows([header, *rows])
    return path


async def counts(conn: asyncpg.Connection) -> tuple[int, ...]:
    """Leads, and how many of them are waiting, merged, parked."""
    tables = ("lead", "lead_pool", "merged", "parked")
    return tuple([await conn.fetchval(f"select count(*) from {table}") for table in tables])


async def test_a_file_is_imported_whole_and_again_without_effect(
    cli: Cli, conn: asyncpg.Connection, acme: int, tmp_path: Path
) -> None:
    file = write_csv(tmp_path / "leads.csv", generated())
    code, said, errors = await cli.load(file)
    assert code == 0, errors
    assert (said["rows"], said["new"], said["repeated"], said["merged"], said["rejected"]) == (600, 600, 0, 60, 0)
    assert said["rejects_file"] is None
    assert await counts(conn) == (600, 540, 60, 0)
    name, note = await conn.fetchrow("select name, attributes->>'note' from lead where external_id = 'L16'") or ("", "")
    assert (name, note) == (HOSTILE[2], HOSTILE[2])
    code, said, _ = await cli.load(file)
    assert (code, said["new"], said["repeated"]) == (0, 0, 600)
    assert await counts(conn) == (600, 540, 60, 0)


async def test_two_processes_at_once_with_the_same_leads_shuffled_end_as_one(
    cli: Cli, conn: asyncpg.Connection, acme: int, tmp_path: Path
) -> None:
    rows = generated()
    files = []
    for seed in (1, 2):
        random.Random(seed).shuffle(rows)
        files.append(write_csv(tmp_path / f"leads{seed}.csv", rows))
    (one, a, errors_a), (two, b, errors_b) = await cli.at_once(files)
    assert (one, two) == (0, 0), errors_a + errors_b
    assert a["new"] + b["new"] == 600
    assert a["repeated"] + b["repeated"] == 600
    assert await counts(conn) == (600, 540, 60, 0)
    chains = "select count(*) from merged a join merged b on a.into_lead_id = b.lead_id"
    assert await conn.fetchval(chains) == 0
    astray = """
        select count(*) from merged join lead a using (tenant_id, lead_id)
          join lead b on b.tenant_id = merged.tenant_id and b.lead_id = into_lead_id
         where a.customer_id <> b.customer_id or a.product <> b.product"""
    assert await conn.fetchval(astray) == 0


async def test_killed_inside_a_batch_nothing_is_half_done_and_the_next_run_completes_it(
    cli: Cli, conn: asyncpg.Connection, database_url: str, acme: int, tmp_path: Path
) -> None:
    file = write_csv(tmp_path / "leads.csv", generated())
    async with connected(database_url) as other:
        block = other.transaction()
        await block.start()
        await other.execute(
            "insert into lead (tenant_id, source, external_id, created_at) values ($1, 'web', 'L250', now())", acme
        )
        process = await cli.start("leads", "import", str(file), "--tenant", "acme", "--batch", BATCH)
        waiting = f"select exists (select from {HERE} and wait_event_type = 'Lock' and query ~ $1)"

        async def blocked() -> bool:
            return bool(await conn.fetchval(waiting, STORING))

        await until(blocked, "the import waits in the middle of its third batch")
        process.kill()
        await process.communicate()
        await block.rollback()
    gone = f"select not exists (select from {HERE} and query ~ $1 and pid <> pg_backend_pid())"

    async def left() -> bool:
        return bool(await conn.fetchval(gone, STORING))

    await until(left, "the killed import's backend is gone")
    leads, waiting_leads, merged, parked = await counts(conn)
    assert leads == 200 == waiting_leads + merged + parked
    orphans = "select count(*) from customer_key where customer_id not in (select customer_id from lead)"
    assert await conn.fetchval(orphans) == 0
    code, said, errors = await cli.load(file)
    assert (code, said["new"], said["repeated"]) == (0, 400, 200), errors
    assert await counts(conn) == (600, 540, 60, 0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["leads.csv"]


async def test_json_lines_and_csv_store_the_same(cli: Cli, conn: asyncpg.Connection, acme: int, tmp_path: Path) -> None:
    other = (await tenants.add(conn, "other", "UTC")).tenant_id
    rows = [[cell.strip() for cell in row] for row in generated()]
    lines = [json.dumps(dict(zip(HEADER, row, strict=True)), ensure_ascii=i % 2 == 0) for i, row in enumerate(rows)]
    (tmp_path / "leads.ndjson").write_text("\n".join(lines), encoding="utf-8")
    first, _, errors = await cli.load(write_csv(tmp_path / "leads.csv", rows))
    second, _, more = await cli.load(tmp_path / "leads.ndjson", tenant="other")
    assert (first, second) == (0, 0), errors + more
    stored = await conn.fetch(STORED, acme)
    assert len(stored) == LEADS
    assert stored == await conn.fetch(STORED, other)


async def test_rejected_rows_come_back_with_line_column_and_reason_and_can_be_imported_once_mended(
    cli: Cli, conn: asyncpg.Connection, acme: int, tmp_path: Path
) -> None:
    good = generated()[:3]
    bad = [["B1", "web", "soon", *good[0][3:]], ["", *good[0][1:]], ["B3", "web"]]
    file = write_csv(tmp_path / "leads.csv", [good[0], *bad, *good[1:]])
    with file.open("ab") as out:
        out.write(b"B4,web,,caf\xe9,,,,\r\n")
    code, said, _ = await cli.load(file)
    assert (code, said["rows"], said["new"], said["rejected"]) == (1, 7, 3, 4)
    rejects = tmp_path / "leads.csv.rejects.csv"
    assert said["rejects_file"] == str(rejects)
    assert b"caf\xe9" in rejects.read_bytes()
    with rejects.open(newline="", encoding="utf-8", errors="surrogateescape") as opened:
        header, *rejected = csv.reader(opened)
    assert header == ["rejected_line", "rejected_column", "rejected_reason", *HEADER]
    places = [(row[0], row[1]) for row in rejected]
    assert places == [("3", "created_at"), ("4", "external_id"), ("5", ""), ("9", "name")]
    assert rejected[0][3:] == bad[0]
    rejected[0][5], rejected[1][3], rejected[2][5:] = "2026-03-02T00:00:00Z", "B2", [""] * 6
    rejected[3][6] = "café"
    code, said, errors = await cli.load(write_csv(rejects, rejected, header))
    assert (code, said["new"]) == (0, 4), errors
    keys = await conn.fetch("select distinct jsonb_object_keys(attributes) from lead")
    assert [key for (key,) in keys] == ["note"]


async def test_rejected_json_lines_come_back_as_they_were_and_can_be_mended(
    cli: Cli, acme: int, tmp_path: Path
) -> None:
    (tmp_path / "leads.ndjson").write_text(
        '{"external_id": "1"}\n{"external_id": \n{"external_id": "3", "created_at": 5}\n'
    )
    code, said, _ = await cli.load(tmp_path / "leads.ndjson")
    assert (code, said["new"], said["rejected"]) == (1, 1, 2)
    rejects = tmp_path / "leads.ndjson.rejects.csv"
    with rejects.open(newline="", encoding="utf-8") as opened:
        header, first, second = csv.reader(opened)
    assert (header[3:], first[3], second[:2]) == (["rejected_record"], '{"external_id":', ["3", "created_at"])
    first[3], second[3] = '{"external_id": "2"}', '{"external_id": "3"}'
    code, said, errors = await cli.load(write_csv(rejects, [first, second], header))
    assert (code, said["new"]) == (0, 2), errors


async def test_a_row_that_only_postgresql_cannot_store_is_rejected_alone(
    cli: Cli, conn: asyncpg.Connection, acme: int, tmp_path: Path
) -> None:
    await conn.execute(
        "create function refuse(text) returns text language plpgsql as $$ begin"
        " if $1 = 'poison' then raise data_exception using message = 'poisoned'; end if; return $1; end $$"
    )
    await conn.execute("alter table lead add check (refuse(name) = name)")
    rows = generated()[:30]
    rows[17][3] = "poison"
    code, said, errors = await cli.load(write_csv(tmp_path / "leads.csv", rows))
    assert (code, said["new"], said["rejected"]) == (1, 29, 1), errors


@pytest.mark.parametrize(
    ("name", "content", "arguments", "said"),
    [
        ("a.csv", "external_id,name\n1,x\n", ["--tenant", "acne"], "no tenant 'acne'"),
        ("a.csv", "id,name\n1,x\n", [], "external_id: no column is mapped to external_id"),
        ("a.csv", "", [], "is empty"),
        ("a.xml", "external_id\n1\n", [], "what can be read: .csv, .tsv, .txt, .xlsx"),
        ("a.csv", "external_id\n1\n", ["--mapping", "nowhere.yaml"], "nowhere.yaml: No such file"),
        ("a.csv", "external_id\n1\n", ["--rejects", "/nowhere/x.csv"], "/nowhere is not writable"),
        ("a.csv", "external_id\n1\n", ["--rejects", __file__], "is not a rejects file"),
    ],
)
async def test_what_cannot_be_run_says_why_and_stores_nothing(
    cli: Cli,
    conn: asyncpg.Connection,
    acme: int,
    tmp_path: Path,
    name: str,
    content: str,
    arguments: list[str],
    said: str,
) -> None:
    (tmp_path / name).write_text(content)
    code, document, errors = await cli.load(tmp_path / name, *arguments)
    assert (code, document) == (2, {})
    assert said in errors
    assert await counts(conn) == (0, 0, 0, 0)


async def test_phones_without_country_code_follow_the_rules_of_the_tenant(
    cli: Cli, conn: asyncpg.Connection, acme: int, tmp_path: Path
) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text("default_phone_region: CN\nrules: [{name: all, match: {}, assign_to: 'group:east'}]")
    code, _, errors = await cli.run("rules", "apply", str(rules), "--tenant", "acme")
    assert code == 0, errors
    code, _, said = await cli.load(write_csv(tmp_path / "a.csv", [["1", "138 0013 0000"]], ["external_id", "phone"]))
    assert code == 0, said
    assert await conn.fetchval("select phone from lead") == "+8613800130000"
