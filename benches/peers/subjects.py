"""The servers that are compared: how each is filled, started and asked. All have the same users, the
same password hash and durable commits, and write no log of requests."""

import base64
import functools
import http.client
import json
import os
import pathlib
import signal
import subprocess
import time
import urllib.parse

from load import FORM, Target
from seeds import copies, person
from support import PASSWORD

HERE = pathlib.Path(__file__).parent
SECRET = "a-secret-that-is-long-enough-for-anybody"
REDIRECT = "https://app.example.com/callback"
# Who refreshes needs a token of his own.
REFRESHERS = 32


def form(**fields):
    return urllib.parse.urlencode(fields).encode()


class Subject:
    """A server under load, on the first core."""

    name = version = note = ""
    health = "/health"

    def __init__(self, folder, users, port):
        self.folder, self.users, self.port, self.process = pathlib.Path(folder), users, port, None
        self.base = f"http://127.0.0.1:{port}"
        self.target = Target(self.base)
        self.database = self.folder / f"{type(self).__name__}.db"

    def environment(self):
        return {**os.environ, "NODE_ENV": "production", "PEER_DATABASE": str(self.database), "PYTHONWARNINGS": "ignore"}

    def run(self, *command):
        subprocess.run(list(map(str, command)), cwd=HERE, env=self.environment(), check=True, stdout=subprocess.DEVNULL)

    def start(self):
        self.output = self.folder / f"{type(self).__name__}.out"
        with open(self.output, "w") as output:
            command = ["taskset", "-c", "0", *map(str, self.command())]
            self.process = subprocess.Popen(command, cwd=HERE, env=self.environment(), stdout=output, stderr=subprocess.DEVNULL, start_new_session=True)
        return self

    def is_live(self):
        try:
            return self.ask("GET", self.health)[0] == 200
        except OSError:
            return False

    def wait(self):
        end = time.monotonic() + 60
        while not self.is_live():
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{self.name} does not start")
            time.sleep(0.002)

    def stop(self):
        os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def ask(self, method, path, body=None, kind=FORM, **headers):
        """One request apart from the load: status, headers, body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        if body is not None:
            headers["Content-Type"] = kind
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        found = answer.status, answer.headers, answer.read()
        connection.close()
        return found

    def post_form(self, path, headers=(), **fields):
        return self.target.request("POST", path, form(**fields), FORM, headers)

    def post_json(self, path, **fields):
        return self.target.request("POST", path, fields)

    def refresh_path(self):
        return None


class Ours(Subject):
    name, health = "Countersign", "/health/live"

    def __init__(self, folder, users, port, binary=None):
        super().__init__(folder, users, port)
        self.binary, self.data = binary, self.folder / "ours"

    def environment(self):
        clean = {name: value for name, value in os.environ.items() if not name.startswith("COUNTERSIGN_")}
        return {**clean, "COUNTERSIGN_DATA_DIR": str(self.data), "COUNTERSIGN_LIMITS__ENABLED": "false", "COUNTERSIGN_LOG__FILTER": "warn"}

    def say(self, *command, given=None):
        ran = subprocess.run([self.binary, *command], env=self.environment(), input=given, capture_output=True, text=True)
        if ran.returncode:
            raise RuntimeError(ran.stderr)
        return ran.stdout

    def seed(self):
        self.say("tenant", "create", "acme")
        names = ["--first-name", "Grace", "--last-name", "Hopper", "--password-stdin"]
        self.say("user", "create", "--tenant", "acme", person(0), *names, given=PASSWORD + "\n")
        self.app = self.make("service", allowed_scopes=["api:read"])
        self.web = self.make("web", redirect_uris=[REDIRECT], allowed_scopes=["openid", "email", "offline_access"])
        copies(self.data / "countersign.db", self.users)
        self.version = self.say("--version").split()[-1]

    def make(self, kind, **metadata):
        metadata["token_endpoint_auth_method"] = "client_secret_post"
        arguments = ["app", "create", "--tenant", "acme", "--type", kind, "--name", kind, "--metadata", "-"]
        made = json.loads(self.say("--json", *arguments, given=json.dumps(metadata)))
        return {"client_id": made["client_id"], "client_secret": made["client_secret"]}

    def command(self):
        return [self.binary, "serve", "--listen", f"127.0.0.1:{self.port}"]

    def login(self, number):
        return self.post_json("/api/v1/auth/login", email=person(number), password=PASSWORD, tenant_id="acme")

    oauth = "/api/v1/auth/tenants/acme/oauth"

    def program(self, _):
        return self.post_form(f"{self.oauth}/token", grant_type="client_credentials", scope="api:read", **self.app)

    def prepare(self):
        """The tokens of somebody who has signed in at an application."""
        self.token = self.signed_in(0)
        self.refresh_tokens = [json.loads(self.ask("POST", "/api/v1/auth/login", json.dumps({"email": person(it), "password": PASSWORD, "tenant_id": "acme"}), "application/json")[2])["refresh_token"] for it in range(REFRESHERS)]

    def signed_in(self, number):
        query = urllib.parse.urlencode({"response_type": "code", "client_id": self.web["client_id"], "redirect_uri": REDIRECT, "scope": "openid email", "code_challenge": "qjrzSW9gMiUgpUvqgEPE4_-8swvyCtfOVvg55o5S_es", "code_challenge_method": "S256"})
        jar, place = {}, f"{self.oauth}/authorize?{query}"
        for _ in range(6):
            status, headers, body = self.ask("GET", place, Cookie=cookies(jar))
            keep(jar, headers)
            place = headers.get("location", "")
            if place.startswith(REDIRECT):
                break
            if "/login" in place or status == 200:
                credentials = json.dumps({"email": person(number), "password": PASSWORD})
                _, headers, body = self.ask("POST", "/api/v1/auth/tenants/acme/login", credentials, "application/json", Cookie=cookies(jar))
                keep(jar, headers)
                place = json.loads(body)["data"]["redirect_uri"]
            place = urllib.parse.urlsplit(place)._replace(scheme="", netloc="").geturl()
        code = urllib.parse.parse_qs(urllib.parse.urlsplit(place).query)["code"][0]
        body = form(grant_type="authorization_code", code=code, redirect_uri=REDIRECT, code_verifier="M25iVXpKU3puUjFaYWg3T1NDTDQtcW1ROUY5YXlwalNoc0hhakxifmZHag", **self.web)
        return json.loads(self.ask("POST", f"{self.oauth}/token", body)[2])["access_token"]

    def userinfo(self, _):
        return self.target.request("GET", f"{self.oauth}/userinfo", headers=[("Authorization", f"Bearer {self.token}")])

    def introspection(self, _):
        return self.post_form(f"{self.oauth}/introspect", token=self.token, **self.web)

    def refresh(self, token):
        return self.post_json("/api/v1/auth/refresh", refresh_token=token)

    @functools.cached_property
    def keys(self):
        return f"{self.base}/api/v1/auth/tenants/acme/.well-known/jwks.json"


def cookies(jar):
    return "; ".join(f"{name}={value}" for name, value in jar.items())


def keep(jar, headers):
    for line in headers.get_all("set-cookie") or []:
        name, _, value = line.split(";")[0].partition("=")
        jar[name] = value


def node_version(package):
    return json.loads((HERE / "node_modules" / package / "package.json").read_text())["version"]


class BetterAuth(Subject):
    name, note = "better-auth, better-sqlite3, @node-rs/argon2", "a session in a cookie, no signed token"

    def seed(self):
        self.version = node_version("better-auth")
        self.run("node", "better_auth.mjs", self.port, self.database, self.users)

    def command(self):
        return ["node", "better_auth.mjs", self.port, self.database]

    def login(self, number):
        return self.post_json("/api/auth/sign-in/email", email=person(number), password=PASSWORD)

    def prepare(self):
        credentials = json.dumps({"email": person(1), "password": PASSWORD})
        jar = {}
        keep(jar, self.ask("POST", "/api/auth/sign-in/email", credentials, "application/json")[1])
        self.cookie = cookies(jar)

    def userinfo(self, _):
        return self.target.request("GET", "/api/auth/get-session", headers=[("Cookie", self.cookie)])


class OidcProvider(Subject):
    name, health, note = "node oidc-provider", "/.well-known/openid-configuration", "all in memory, nothing durable"

    def seed(self):
        self.version = node_version("oidc-provider")

    def command(self):
        return ["node", "oidc_provider.mjs", self.port, REFRESHERS]

    def prepare(self):
        said = next(line for line in self.output.read_text().splitlines() if line.startswith("{"))
        made = json.loads(said)
        self.token, self.refresh_tokens = made["access"], made["refresh"]

    client = {"client_id": "bench", "client_secret": SECRET}

    def program(self, _):
        return self.post_form("/token", grant_type="client_credentials", scope="api:read", **self.client)

    def userinfo(self, _):
        return self.target.request("GET", "/me", headers=[("Authorization", f"Bearer {self.token}")])

    def introspection(self, _):
        return self.post_form("/token/introspection", token=self.token, **self.client)

    def refresh(self, token):
        return self.post_form("/token", grant_type="refresh_token", refresh_token=token, **self.client)

    @property
    def keys(self):
        return f"{self.base}/jwks"


def python_version(package):
    from importlib.metadata import version

    return version(package)


class FastapiUsers(Subject):
    name = "fastapi-users, uvicorn"

    def seed(self):
        self.version = python_version("fastapi-users")
        self.run(HERE / ".venv/bin/python", "fastapi_app.py", self.database, self.users)

    def command(self):
        return [HERE / ".venv/bin/uvicorn", "fastapi_app:app", "--port", self.port, "--no-access-log", "--log-level", "error"]

    def login(self, number):
        return self.post_form("/auth/login", username=person(number), password=PASSWORD)

    def prepare(self):
        body = form(username=person(1), password=PASSWORD)
        self.token = json.loads(self.ask("POST", "/auth/login", body)[2])["access_token"]

    def userinfo(self, _):
        return self.target.request("GET", "/me", headers=[("Authorization", f"Bearer {self.token}")])


class Django(Subject):
    name, note = "django-oauth-toolkit, gunicorn", "opaque tokens"

    def seed(self):
        self.version = python_version("django-oauth-toolkit")
        self.run(HERE / ".venv/bin/python", "django_app.py", self.database, self.users)

    def command(self):
        # One process for the one core, whose threads keep connections open.
        return [HERE / ".venv/bin/gunicorn", "django_app:application", "-b", f"127.0.0.1:{self.port}", "-k", "gthread", "--threads", "4", "--keep-alive", "30", "--log-level", "critical"]

    person = {"client_id": "person", "client_secret": SECRET}

    def login(self, number):
        return self.post_form("/o/token/", grant_type="password", username=person(number), password=PASSWORD, scope="api", **self.person)

    def prepare(self):
        answers = [self.ask("POST", "/o/token/", form(grant_type="password", username=person(it), password=PASSWORD, scope="api", **self.person)) for it in range(REFRESHERS)]
        made = [json.loads(it[2]) for it in answers]
        self.token, self.refresh_tokens = made[0]["access_token"], [it["refresh_token"] for it in made]

    def program(self, _):
        return self.post_form("/o/token/", grant_type="client_credentials", scope="api", client_id="plain", client_secret=SECRET)

    def program_hashed(self, _):
        return self.post_form("/o/token/", grant_type="client_credentials", scope="api", client_id="hashed", client_secret=SECRET)

    def introspection(self, _):
        basic = base64.b64encode(f"plain:{SECRET}".encode()).decode()
        return self.post_form("/o/introspect/", [("Authorization", f"Basic {basic}")], token=self.token)

    def refresh(self, token):
        return self.post_form("/o/token/", grant_type="refresh_token", refresh_token=token, **self.person)
