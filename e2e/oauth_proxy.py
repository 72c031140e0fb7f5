"""Apache with mod_auth_openidc in front of a page, as an operator sets it up, walked by Chromium."""

import contextlib
import pathlib
import shutil
import subprocess
import urllib.error
import urllib.request

import oauth
from oauth import GRACE, app
from support import PASSWORD, Skip, free_port, wait_for
from webdriver import browsing

MODULES = pathlib.Path("/usr/lib/apache2/modules")
NEEDED = ["mpm_event", "authn_core", "authz_core", "authz_user", "auth_openidc", "dir", "mime", "headers"]

CONFIG = """
ServerName localhost
ServerRoot {root}
PidFile {root}/pid
Mutex file:{root} default
Listen 127.0.0.1:{port}
{modules}
{user}
DocumentRoot {root}/page
ErrorLog {root}/errors
LogLevel warn

TypesConfig /dev/null
AddType text/html .html

OIDCProviderMetadataURL {issuer}/.well-known/openid-configuration
OIDCClientID {client_id}
OIDCClientSecret {client_secret}
OIDCRedirectURI {origin}/callback
OIDCCryptoPassphrase 0123456789abcdef0123456789abcdef
OIDCScope "openid profile email"
OIDCPKCEMethod S256
OIDCRemoteUserClaim email
OIDCCookieSameSite On
OIDCSSLValidateServer Off
OIDCDefaultLoggedOutURL {origin}/bye/
{more}

<Location />
  AuthType openid-connect
  Require valid-user
  Header set X-Seen-User "expr=%{{REMOTE_USER}}"
</Location>
<Location /bye/>
  AuthType None
  Require all granted
</Location>
"""


def apache():
    found = shutil.which("apache2", path="/usr/sbin:/usr/bin")
    if not found or not (MODULES / "mod_auth_openidc.so").exists():
        raise Skip("no apache2 with mod_auth_openidc")
    return found


def proxy(world, server, **more):
    """Starts Apache in front of a page; its origin."""
    program, port = apache(), free_port()
    origin = f"http://localhost:{port}"
    made = app(
        server,
        "The proxy",
        "web",
        redirect_uris=[f"{origin}/callback"],
        post_logout_redirect_uris=[f"{origin}/bye/"],
        allowed_scopes=["openid", "profile", "email"],
        backchannel_logout_uri=f"{origin}/callback?logout=backchannel",
    )
    root = pathlib.Path(world.folder) / f"apache-{port}"
    for name, words in [("", "The page behind the proxy"), ("bye", "Signed out of the proxy")]:
        (root / "page" / name).mkdir(parents=True, exist_ok=True)
        (root / "page" / name / "index.html").write_text(f"<!doctype html><title>{words}</title><link rel=icon href=data:,><main>{words}</main>")
    modules = [f"LoadModule {name}_module {MODULES}/mod_{name}.so" for name in NEEDED if (MODULES / f"mod_{name}.so").exists()]
    # Debian's Apache has some of its modules built in, and gives up the rights of root.
    lines = {"modules": "\n".join(modules), "user": "User www-data\nGroup www-data" if pathlib.Path.home() == pathlib.Path("/root") else ""}
    options = "\n".join(f"{name} {value}" for name, value in more.items())
    text = CONFIG.format(root=root, port=port, origin=origin, issuer=oauth.issuer(server), more=options, **lines, **made)
    (root / "apache.conf").write_text(text)
    log = open(f"{world.folder}/apache-{port}.log", "ab")
    world.spawn([program, "-DFOREGROUND", "-f", str(root / "apache.conf")], stdout=log, stderr=subprocess.STDOUT)
    log.close()
    try:
        wait_for("Apache", lambda: is_up(f"{origin}/bye/"))
    except AssertionError:
        raise AssertionError(pathlib.Path(log.name).read_text() + (root / 'errors').read_text()) from None
    return origin, root / "errors"


def is_up(url):
    try:
        return urllib.request.urlopen(url, timeout=5).status == 200
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{url}: {error.code}") from None
    except OSError:
        return False


def at(browser, url):
    return browser.url().startswith(url)


@contextlib.contextmanager
def signed_in(world, name, **more):
    """Somebody who has come through to the page: server, browser and the page's origin."""
    apache()
    # In development, notices are also sent to this machine.
    server = oauth.server(world, {"MODE": "development"})
    origin, errors = proxy(world, server, **more)
    with browsing(world, name) as browser:
        try:
            browser.expected += ["favicon", "status of 401"]
            browser.open(f"{origin}/")
            wait_for("the login page", lambda: at(browser, f"{server.base}/t/acme/login"))
            browser.type("#email", GRACE)
            browser.type("#password", PASSWORD)
            browser.click("#submit")
            wait_for("the page", lambda: browser.shows("the page behind the proxy"))
            yield server, browser, origin
        except Exception:
            print(*errors.read_text(errors="replace").splitlines()[-15:], sep="\n", flush=True)
            raise


def check(browser, origin):
    """What the page's own server is told of its visitor."""
    assert browser.url() == f"{origin}/"
    script = "const done = arguments[0]; fetch('/').then((it) => done(it.headers.get('x-seen-user')))"
    seen = browser.call("POST", "/execute/async", {"script": script, "args": []})
    assert seen == GRACE, seen


def test_behind_apache(world):
    with signed_in(world, "behind_apache") as (_, browser, origin):
        check(browser, origin)


def test_by_form_post(world):
    # The answer is a form that a page of ours posts: only without a word on SameSite do the
    # proxy's cookies come along over plain http.
    more = {"OIDCResponseMode": "form_post", "OIDCCookieSameSite": "Off", "OIDCProviderTokenEndpointAuth": "client_secret_post"}
    with signed_in(world, "behind_apache_by_form_post", **more) as (_, browser, origin):
        check(browser, origin)


def test_signing_out(world):
    with signed_in(world, "behind_apache_signing_out") as (server, browser, origin):
        browser.open(f"{origin}/callback?logout={origin}/bye/")
        wait_for("the way back", lambda: browser.shows("signed out of the proxy"))
        # Signed out at both ends: neither remembers.
        browser.open(f"{origin}/")
        wait_for("the login page again", lambda: at(browser, f"{server.base}/t/acme/login"))


def test_signing_out_elsewhere(world):
    with signed_in(world, "behind_apache_signing_out_elsewhere") as (server, browser, origin):
        browser.open(f"{server.base}/t/acme")
        browser.click("#sign_out")
        wait_for("the login page", lambda: at(browser, f"{server.base}/t/acme/login") or browser.shows("signed out"))

        # The proxy is told by a logout token, and forgets its own session.
        def forgotten():
            browser.open(f"{origin}/")
            return at(browser, f"{server.base}/t/acme/login")

        wait_for("the proxy to hear of it", forgotten)
