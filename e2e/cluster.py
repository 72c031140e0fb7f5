"""PostgreSQL servers of a scenario's own: stopped, started, followed by another and replaced by it."""

import os
import pathlib
import shutil
import subprocess

from support import free_port, wait_for


class Cluster:
    """A PostgreSQL server of the scenario's own, to be stopped and started."""

    def __init__(self, world, name="cluster"):
        found = shutil.which("pg_ctl") or str(sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))[-1])
        self.world, self.bin, self.port = world, pathlib.Path(found).resolve().parent, free_port()
        self.folder = pathlib.Path(world.folder) / name
        self.folder.mkdir()
        if os.getuid() == 0:
            shutil.chown(self.folder, "postgres")

    @property
    def url(self):
        return f"postgres://postgres@127.0.0.1:{self.port}/postgres"

    def create(self):
        self.run("initdb", "-D", self.folder / "data", "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C")
        return self

    def run(self, program, *arguments, check=True):
        before = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
        command = [*before, str(self.bin / program), *map(str, arguments)]
        # Where it may fail, nobody wants to read why.
        complaints = None if check else subprocess.DEVNULL
        subprocess.run(command, check=check, stdout=subprocess.DEVNULL, stderr=complaints, cwd=self.folder)

    def start(self):
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=100"
        self.run("pg_ctl", "-D", self.folder / "data", "-l", self.folder / "log", "-w", "-o", options, "start")
        return self

    def stop(self, mode="immediate", check=True):
        self.run("pg_ctl", "-D", self.folder / "data", "-m", mode, "-w", "stop", check=check)

    def ask(self, statement):
        command = [self.bin / "psql", "-qXAt", self.url, "-c", statement]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def follow(self):
        """A standby, without which this server acknowledges no commit any more."""
        standby = Cluster(self.world, f"{self.folder.name}-standby")
        standby.run("pg_basebackup", "-D", standby.folder / "data", "-h", "127.0.0.1", "-p", self.port, "-U", "postgres", "-R", "-c", "fast")
        standby.start()
        self.ask("ALTER SYSTEM SET synchronous_standby_names = '*'")
        self.ask("SELECT pg_reload_conf()")
        wait_for("the standby to follow", lambda: self.ask("SELECT sync_state FROM pg_stat_replication") == "sync")
        return standby

    def promote(self):
        self.run("pg_ctl", "-D", self.folder / "data", "-w", "promote")
