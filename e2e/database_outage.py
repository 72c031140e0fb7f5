"""PostgreSQL goes away and comes back: 503 meanwhile, and all works again afterwards."""

from cluster import Cluster
from support import wait_for


def test_postgres_goes_and_comes_back(world):
    cluster = Cluster(world).create().start()
    try:
        server = world.server({"DATABASE_URL": cluster.url}).tenant()
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
