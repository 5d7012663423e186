"""An import that is killed in the middle is run again, and each lead is there once."""

import json
import signal
from pathlib import Path

import pytest

from loadtest.daemon import started
from loadtest.faults.arena import arena
from loadtest.faults.server import FaultServer
from tests.e2e.commands import lead_router
from tests.faults.support import full
from tests.support import until


@pytest.mark.parametrize("rows", [6_000, full(100_000)])
async def test_an_import_killed_in_the_middle_and_run_again_has_each_lead_once(
    server: FaultServer, database: str, tmp_path: Path, rows: int
) -> None:
    file = tmp_path / "leads.csv"
    lines = (f"L{i},web,south,p{i},{13800000000 + i}" for i in range(rows))
    file.write_text("\n".join(["external_id,source,region,product,phone", *lines]), encoding="utf-8")
    (tmp_path / "mapping.yaml").write_text("default_phone_region: CN\n", encoding="utf-8")
    mapping = str(tmp_path / "mapping.yaml")
    words = ("leads", "import", str(file), "--tenant", "t1", "--mapping", mapping, "--batch", str(rows // 20))
    async with arena(server, database, tenants=1, drain_batch_leads=1000) as scene, scene.session() as conn:
        accepted = "select count(*) from lead"
        for share in (0.2, 0.6):
            importing = await started(scene.url, *words)

            async def in_the_middle(least: float = share * rows) -> bool:
                return bool(await conn.fetchval(accepted) >= least)

            await until(in_the_middle, "a part is there", 120)
            importing.hear(signal.SIGKILL)
            assert await importing.ended() == -signal.SIGKILL
            assert await conn.fetchval(accepted) < rows
        code, output, errors = await lead_router(*words, "--json", LEAD_ROUTER_DATABASE_URL=scene.url)
        assert code == 0, errors
        done = json.loads(output)
        assert done["new"] + done["repeated"] == rows and 0 < done["repeated"] < rows
        assert await conn.fetchval(accepted) == rows
        await scene.settled()
        assert await scene.broken_promises() == []
        assert await conn.fetchval("select count(distinct external_id) from lead") == rows
