"""PostgreSQL goes away and comes back: 503 meanwhile, and all works again afterwards."""

import os
import pathlib
import shutil
import subprocess

from support import free_port, wait_for


class Cluster:
    """A PostgreSQL server of the scenario's own, to be stopped and started."""

    def __init__(self, world):
        found = shutil.which("pg_ctl") or str(sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))[-1])
        self.bin, self.port = pathlib.Path(found).parent, free_port()
        self.folder = pathlib.Path(world.folder) / "cluster"
        self.folder.mkdir()
        if os.getuid() == 0:
            shutil.chown(self.folder, "postgres")
        self.run("initdb", "-D", self.folder / "data", "-A", "trust", "-U", "postgres")

    def run(self, program, *arguments, check=True):
        before = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
        command = [*before, str(self.bin / program), *map(str, arguments)]
        subprocess.run(command, check=check, stdout=subprocess.DEVNULL, cwd=self.folder)

    def start(self):
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        self.run("pg_ctl", "-D", self.folder / "data", "-l", self.folder / "log", "-w", "-o", options, "start")

    def stop(self, check=True):
        self.run("pg_ctl", "-D", self.folder / "data", "-m", "immediate", "-w", "stop", check=check)


def test_postgres_goes_and_comes_back(world):
    cluster = Cluster(world)
    cluster.start()
    try:
        server = world.server({"DATABASE_URL": f"postgres://postgres@127.0.0.1:{cluster.port}/postgres"}).tenant()
        server.user().start()
        assert server.client().login("grace@example.com").status == 200
        cluster.stop()
        refused = server.client().login("grace@example.com")
        assert refused.status == 503 and refused.json["code"] == "database_unavailable", refused.text
        assert int(refused.headers["Retry-After"]) >= 1
        assert server.client().get("/health/ready").status == 503
        assert server.client().get("/health/live").status == 200
        cluster.start()
        wait_for("the server to be ready again", lambda: server.client().get("/health/ready").status == 200)
        assert server.client().login("grace@example.com").data["status"] == "success"
        assert server.stop() == 0
    finally:
        # It may be stopped already, and what went wrong before is what is to be told.
        cluster.stop(check=False)
