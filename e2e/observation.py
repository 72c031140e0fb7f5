"""What an operator sees: figures, traces and a log that tells no secret."""

import http.server
import threading
import urllib.request

from support import PASSWORD, MailServer, free_port, smtp, wait_for


class Collector(http.server.BaseHTTPRequestHandler):
    """Takes traces by OTLP over HTTP."""

    received = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.received.append((self.path, body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


def test_metrics_traces_and_the_log(world):
    collector = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=collector.serve_forever, daemon=True).start()
    mail, metrics = MailServer(), free_port()
    server = world.server({
        "MAIL__SMTP_URL": smtp(mail),
        "METRICS__LISTEN": f"127.0.0.1:{metrics}",
        "TRACES__ENDPOINT": f"http://127.0.0.1:{collector.server_port}/v1/traces",
        "LOG__FILTER": "debug",
        "LOG__FORMAT": "json",
    }).tenant().start()
    person = server.client()
    person.register("grace@example.com")
    token = mail.wait("grace@example.com").token
    person.get(f"/t/acme/verify-email?token={token}")
    person.verify(token)
    assert person.login("grace@example.com").status == 200
    assert person.login("grace@example.com", "hunter2-hunter2-hunter2").status == 401
    assert person.api("login", email="grace@example.com", password=["hunter2-hunter2-hunter2"]).status == 422

    told = urllib.request.urlopen(f"http://127.0.0.1:{metrics}/metrics", timeout=10).read().decode()
    for name in ["countersign_requests_total", "countersign_request_seconds", "countersign_hash_seconds", "countersign_mails_total"]:
        assert name in told, f"{name} is missing:\n{told}"
    assert 'route="/api/v1/auth/tenants/{tenant_slug}/login"' in told
    assert person.get("/metrics").status == 404, "figures are on a listener of their own"

    assert server.stop() == 0
    wait_for("the traces", lambda: Collector.received)
    path, body = Collector.received[0]
    assert path == "/v1/traces" and b"countersign" in body, (path, body[:300])

    cookies = [cookie.value for cookie in person.jar]
    secrets = [PASSWORD, "hunter2-hunter2", token, "grace@example.com", *cookies, *[it.split(".")[-1] for it in cookies]]
    everything = server.log + told + "".join(str(body) for _, body in Collector.received)
    for secret in secrets:
        assert secret not in everything, f"a secret is told: {secret}"
    assert '"request_id"' in server.log and '"tenant":"acme"' in server.log and '"status":401' in server.log
    collector.shutdown()
    mail.close()
