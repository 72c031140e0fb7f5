"""Apache with mod_auth_openidc in front of a page, as an operator sets it up, walked by Chromium."""

import pathlib
import shutil
import subprocess
import urllib.error
import urllib.request

import oauth
from browser import browsing
from oauth import GRACE, app
from support import PASSWORD, Skip, free_port, wait_for

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
LogLevel warn auth_openidc:debug

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
        raise AssertionError(pathlib.Path(log.name).read_text()) from None
    return origin, root / "errors"


def is_up(url):
    try:
        return urllib.request.urlopen(url, timeout=5).status == 200
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{url}: {error.code}") from None
    except OSError:
        return False


def at(browser, url):
    return browser.call("GET", "/url").startswith(url)


def walk(world, name, **more):
    server = oauth.server(world)
    origin, errors = proxy(world, server, **more)
    with browsing(world, name) as browser:
        try:
            browser.expected += ["favicon", "status of 401"]
            browser.open(f"{origin}/")
            wait_for("the login page", lambda: at(browser, f"{server.base}/t/acme/login"))
            browser.type("#email", GRACE)
            browser.type("#password", "not the password")
            browser.click("#submit")
            wait_for("the refusal", lambda: browser.shows("password") and at(browser, server.base))
            browser.type("#password", PASSWORD)
            browser.click("#submit")
            wait_for("the page", lambda: browser.shows("the page behind the proxy"))
            assert browser.call("GET", "/url") == f"{origin}/"
            script = "const done = arguments[0]; fetch('/').then((it) => done(it.headers.get('x-seen-user')))"
            seen = browser.call("POST", "/execute/async", {"script": script, "args": []})
            assert seen == GRACE, seen
            browser.open(f"{origin}/callback?logout={origin}/bye/")
            wait_for("the way back", lambda: browser.shows("signed out of the proxy"))
            # Signed out at both ends: neither remembers.
            browser.open(f"{origin}/")
            wait_for("the login page again", lambda: at(browser, f"{server.base}/t/acme/login"))
        except Exception:
            print(*errors.read_text(errors="replace").splitlines()[-25:], sep="\n", flush=True)
            raise


def test_behind_apache(world):
    apache()
    walk(world, "behind_apache")


def test_behind_apache_by_form_post(world):
    apache()
    # From a page of ours, a form's answer brings the proxy's cookies along only if they say so.
    walk(world, "behind_apache_by_form_post", OIDCResponseMode="form_post", OIDCProviderTokenEndpointAuth="client_secret_post")
