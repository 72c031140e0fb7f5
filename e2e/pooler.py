"""PostgreSQL behind a pooler that hands each transaction to another connection."""

import os
import pathlib
import shutil
import subprocess
from urllib.parse import urlsplit

from journey import journey
from support import free_port, wait_for


def test_postgres_behind_a_transaction_mode_pooler(world):
    database = urlsplit(world.database())
    folder = pathlib.Path(world.folder) / "pooler"
    folder.mkdir()
    port = free_port()
    name = database.path.lstrip("/")
    (folder / "pooler.ini").write_text(f"""
[databases]
{name} = host=127.0.0.1 port={database.port} dbname={name} user={database.username}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 4
""")
    before = []
    if os.getuid() == 0:
        shutil.chown(folder, "postgres")
        before = ["runuser", "-u", "postgres", "--"]
    log = open(folder / "pooler.out", "wb")
    world.spawn([*before, "pgbouncer", str(folder / "pooler.ini")], stdout=log, stderr=log)
    log.close()
    url = f"postgres://{database.username}@127.0.0.1:{port}/{name}"
    wait_for("the pooler", lambda: subprocess.run(["psql", "-q", url, "-c", "SELECT 1"], capture_output=True).returncode == 0)
    journey(world, {"DATABASE_URL": url, "DATABASE__PREPARED_STATEMENTS": "false"})
