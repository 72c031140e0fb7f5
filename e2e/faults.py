"""Whatever breaks, what was acknowledged is there and nothing works twice.

In each scenario people use the server while it, its database, its disk, its clock or its mail server
breaks in the worst moments that chance finds; afterwards `invariants` judges their history. Where it
finds something wrong, the history and the seed stay in `e2e/failures`. `run.py --length 10` breaks
ten times as much.
"""

import concurrent.futures
import contextlib
import datetime
import pathlib
import random
import shutil
import threading
import time

import invariants
import oauth
from calls import Post, Walk, near
from cluster import Cluster
from disk_full import fill, small_disk
from forwarder import Forwarder
from moody_post import MoodyPost
from people import AT_ONCE, Guesser, Person
from support import Skip, smtp, wait_for

PEOPLE = 5
FAILURES = pathlib.Path(__file__).parent / "failures"
# A mail whose sender was killed is taken over by another after a minute.
TAKEN_OVER = 100


class Trial:
    """People who live on some nodes, what befalls them, and the judgement in the end."""

    def __init__(self, world, name, post=Post):
        self.world, self.name = world, name
        # How long people wait for a mail, what time it is for them, and how often at once they show a token.
        self.patience, self.clock, self.at_once = 3, time.time, AT_ONCE
        self.chance = random.Random(f"{world.seed}/{name}")
        self.path = pathlib.Path(world.folder) / f"{name}.jsonl"
        self.history = invariants.history.History(self.path)
        self.post = post(self.history)
        self.nodes, self.people, self.threads, self.broken = [], [], [], []
        self.stopped = threading.Event()

    def node(self, settings=None, data=None):
        """One more node of the same server."""
        given = {"MAIL__SMTP_URL": smtp(self.post), "TRUSTED_PROXIES": "127.0.0.1", **(settings or {})}
        node = self.world.server(given, data=self.nodes[0].data if self.nodes else data)
        if not self.nodes:
            node.tenant()
            about = {"redirect_uris": [Walk.proof["redirect_uri"]], "allowed_scopes": ["openid"], "token_endpoint_auth_method": "client_secret_post"}
            self.application = oauth.app(node, "Application", "web", **about)
        self.nodes.append(node)
        # All nodes speak for one address.
        node.settings["PUBLIC_URL"] = near(self.nodes[0].base)
        return node

    def begin(self):
        for node in self.nodes:
            node.start()
        bases = [it.base for it in self.nodes]
        given = (self.world.seed, self.history, self.post, bases)
        self.people = [Person(number, *given) for number in range(PEOPLE)] + [Guesser(self.nodes[0], *given)]
        for person in self.people:
            person.application = self.application
            person.patience, person.clock, person.at_once = self.patience, self.clock, self.at_once
        self.threads = [threading.Thread(target=self.live, args=[it], daemon=True) for it in self.people]
        for thread in self.threads:
            thread.start()

    def live(self, person):
        self.safely(person.live, self.stopped)

    def safely(self, deed, *arguments):
        """Does it in a thread; what goes wrong in the test itself is told by the judge."""
        try:
            deed(*arguments)
        except Exception as fault:
            self.broken.append(fault)

    def rounds(self, number):
        """Goes on while faults are to be made: when the people have got somewhere, at any moment after."""
        for _ in range(max(1, round(number * self.world.length))):
            before = self.deeds()
            wait_for("people to get somewhere", lambda: self.deeds() > before + 2 * PEOPLE, 60)
            time.sleep(self.chance.random() / 2)
            yield

    def deeds(self):
        return sum(it.done for it in self.people)

    def broke(self, what):
        self.history.happened(what)

    def judge(self, **how):
        """Lets everybody finish, tries what was promised, and judges. The notes tell how much it was."""
        self.stopped.set()
        for thread in self.threads:
            thread.join(90)
            assert not thread.is_alive(), "somebody does not come to an end"
        for node in self.nodes:
            wait_for("the nodes to be ready", node.is_ready, 60)
        workers = [threading.Thread(target=self.safely, args=[it.settle]) for it in self.people]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        if self.broken:
            raise self.broken[0]
        self.wait_for_mail()
        self.verify_the_trail()
        self.history.close()
        found = invariants.violations(self.history.records, **how)
        assert not found, self.complaint(found)
        self.world.notes.append(self.summary())

    def wait_for_mail(self):
        late = [(person, account) for person in self.people for account in person.missing()]
        with contextlib.suppress(AssertionError):
            # Whether all has come is for the judge to say.
            wait_for("the mail", lambda: not invariants.missing_mails(self.history.records), TAKEN_OVER)
        for person, account in late:
            person.settle_late(account)

    def verify_the_trail(self):
        verdict = self.nodes[0].run("audit", "verify", "--all")
        is_whole = verdict.returncode == 0 and "whole" in verdict.stdout and "broken" not in verdict.stdout
        self.history.add("audit", "", time.time(), outcome="acknowledged" if is_whole else "refused", said=verdict.stdout)

    def complaint(self, found):
        FAILURES.mkdir(exist_ok=True)
        kept = FAILURES / f"{self.name}-{self.world.seed}.jsonl"
        shutil.copy(self.path, kept)
        return "\n".join([f"{len(found)} violations; the history is in {kept}", *map(str, found[:5])])

    def summary(self):
        count = {}
        for record in self.history.records:
            if record["kind"] not in ("fault", "audit", "mail"):
                count[record["outcome"]] = count.get(record["outcome"], 0) + 1
        broke = sum(it["kind"] == "fault" for it in self.history.records)
        return f"{broke} faults; " + ", ".join(f"{number} {name}" for name, number in sorted(count.items()))

    def close(self):
        self.stopped.set()
        self.post.close()


@contextlib.contextmanager
def trial(world, name, **more):
    it = Trial(world, name, **more)
    try:
        yield it
    finally:
        it.close()


def kill_and_start(it, nodes):
    for node in nodes:
        node.kill()
    # Said afterwards, so that nothing that it did comes after this.
    it.broke(f"killed {[node.port for node in nodes]}")
    for node in nodes:
        node.start()


def killed_on_sqlite(world):
    with trial(world, "killed_on_sqlite") as it:
        it.node()
        it.begin()
        for _ in it.rounds(6):
            kill_and_start(it, it.nodes)
        it.judge()


def killed_on_postgres(world):
    with trial(world, "killed_on_postgres") as it:
        database = {"DATABASE_URL": world.database()}
        it.node(database)
        it.node(database)
        it.begin()
        for _ in it.rounds(6):
            kill_and_start(it, it.nodes if it.chance.random() < 0.2 else [it.chance.choice(it.nodes)])
        it.judge()


def test_killed_again_and_again(world):
    """Both at the same time, since in the end each waits a minute for the mail of the killed."""
    trials = [killed_on_sqlite, *([killed_on_postgres] if world.postgres else [])]
    with concurrent.futures.ThreadPoolExecutor(len(trials)) as pool:
        for done in [pool.submit(it, world) for it in trials]:
            done.result()


@contextlib.contextmanager
def clusters(world):
    """Makes PostgreSQL servers and sees to it that all have gone afterwards."""
    made = []

    def make(cluster):
        made.append(cluster)
        return cluster

    try:
        yield make
    finally:
        for cluster in made:
            cluster.stop(check=False)


def test_postgres_restarted(world):
    with clusters(world) as make, trial(world, "postgres_restarted") as it:
        cluster = make(Cluster(world).create().start())
        for _ in range(2):
            it.node({"DATABASE_URL": cluster.url})
        it.begin()
        for number, _ in enumerate(it.rounds(4)):
            mode = ("immediate", "fast")[number % 2]
            it.broke(f"PostgreSQL stopped: {mode}")
            cluster.stop(mode)
            time.sleep(it.chance.random())
            cluster.start()
        it.judge()


def test_postgres_fails_over_to_its_standby(world):
    with clusters(world) as make, trial(world, "postgres_fails_over") as it:
        primary = make(Cluster(world).create().start())
        forwarder = Forwarder(primary.port)
        for _ in range(2):
            it.node({"DATABASE_URL": f"postgres://postgres@127.0.0.1:{forwarder.port}/postgres"})
        it.begin()
        for _ in it.rounds(1):
            standby = make(primary.follow())
            time.sleep(1)
            it.broke("the primary is gone for good")
            primary.stop()
            standby.promote()
            forwarder.target, primary = standby.port, standby
            forwarder.cut()
        for _ in it.rounds(2):
            pass
        it.judge()
        forwarder.close()


def break_the_wire(it, forwarder):
    trouble = it.chance.choice(["cut", "in the middle", "half-closed", "silent", "refused"])
    it.broke(f"connections to PostgreSQL: {trouble}")
    if trouble == "cut":
        forwarder.cut()
    elif trouble == "in the middle":
        forwarder.cut_after(it.chance.randrange(3000))
    elif trouble == "half-closed":
        forwarder.half_close()
    elif trouble == "silent":
        forwarder.halt()
        time.sleep(it.chance.random() * 3)
        forwarder.resume()
    else:
        forwarder.refuse()
        time.sleep(it.chance.random() * 2)
        forwarder.accept_again()


def test_connections_cut_to_postgres(world):
    with trial(world, "connections_cut") as it:
        database = world.database()
        forwarder = Forwarder(int(database.rsplit(":", 1)[1].split("/")[0]))
        place, _, name = database.rpartition("/")
        through = f"{place.rpartition(':')[0]}:{forwarder.port}/{name}"
        for _ in range(2):
            it.node({"DATABASE_URL": through})
        it.begin()
        for _ in it.rounds(8):
            break_the_wire(it, forwarder)
        it.judge()
        forwarder.close()


def test_the_disk_is_full(world):
    with small_disk(world, "32m") as disk, trial(world, "disk_full") as it:
        it.node(data=disk / "data")
        it.begin()
        for _ in it.rounds(4):
            it.broke("the disk is full")
            fill(disk / "ballast")
            time.sleep(1 + it.chance.random())
            if it.chance.random() < 0.3:
                # It comes back when there is space again.
                it.nodes[0].kill()
                it.broke("killed while the disk is full")
                (disk / "ballast").unlink()
                it.nodes[0].start()
            else:
                (disk / "ballast").unlink()
        it.judge()


def test_the_mail_server_has_moods(world):
    chance = random.Random(f"{world.seed}/moods")
    with trial(world, "mail_moods", post=lambda history: MoodyPost(history, chance)) as it:
        it.patience = 1
        it.node()
        it.begin()
        it.broke("the mail server has moods")
        time.sleep(12 * world.length)
        it.post.recover()
        it.judge()


class Clock:
    """The server's clock, which can be set while it runs: the time of day only, not what it measures spans by."""

    LIBRARY = sorted(pathlib.Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))

    def __init__(self, world):
        if not self.LIBRARY:
            raise Skip("no libfaketime")
        self.file, self.ahead = pathlib.Path(world.folder) / "clock", 0
        self.latest = 0
        self.set(0)

    def set(self, ahead):
        # Replaced as a whole, since it is read at any moment.
        fresh = self.file.with_suffix(".new")
        fresh.write_text(f"{ahead:+d}\n")
        fresh.rename(self.file)
        self.ahead, self.latest = ahead, max(ahead, self.latest)

    def now(self):
        return time.time() + self.ahead

    @property
    def variables(self):
        return {"LD_PRELOAD": str(self.LIBRARY[0]), "FAKETIME_TIMESTAMP_FILE": str(self.file), "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1"}


def server_time(node):
    said = node.client().api("login", "nobody", email="grace@example.com", password="x").json["meta"]["timestamp"]
    return datetime.datetime.fromisoformat(said).timestamp()


def test_the_clock_jumps(world):
    clock = Clock(world)
    with trial(world, "clock_jumps") as it:
        # Of several that show one refresh token, those whom a jump makes late are rightly refused.
        it.clock, it.at_once = clock.now, 1
        it.node().variables = clock.variables
        it.begin()
        for _ in it.rounds(8):
            ahead = clock.ahead + it.chance.choice([-300, -45, 45, 300])
            it.broke(f"the clock jumps to {ahead:+d} s")
            clock.set(ahead)
            wait_for("the server to see it", lambda: abs(server_time(it.nodes[0]) - clock.now()) < 5)
        # A mail that was written while the clock was ahead waits until that time has come.
        clock.set(clock.latest)
        it.judge(without=[invariants.failures])
