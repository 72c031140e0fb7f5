"""Holds a running server against the reference's facts, but for what is known to be still to come.

usage: known-differences.py SEED_FOLDER BASE_URL

A difference that is not in the list fails, and so does one in the list that is no longer there:
the list only shrinks.
"""

import re
import subprocess
import sys
import urllib.request

# Second factors come next: three endpoints and their schemas.
CONTRACT = {
    "POST /api/v1/auth/tenants/{tenant_slug}/mfa/email/send: missing",
    "POST /api/v1/auth/tenants/{tenant_slug}/mfa/verify: missing",
    "POST /api/v1/auth/tenants/{tenant_slug}/mfa/webauthn/begin: missing",
    "schema ApiResponse_MFAChallengeResponse_: missing",
    "schema MFAChallengeRequest: missing",
    "schema MFAChallengeResponse: missing",
}
# Of the recorded requests all to these endpoints differ, by the 404 of a path that is not there.
ENDPOINTS = {"mfa/email/send", "mfa/verify", "mfa/webauthn/begin"}


def differences(arguments, given=None):
    """The differences that one of the reference's scripts prints, once it has come to its end."""
    ran = subprocess.run([sys.executable, "-B", *arguments], input=given, capture_output=True)
    name = arguments[0].rsplit("/", 1)[-1]
    lines = ran.stdout.decode().strip().splitlines()
    end = re.fullmatch(r"(\d+) (?:facts )?held, (\d+) differ", lines[-1]) if lines else None
    if not end or not int(end[1]):
        sys.exit(f"{name} did not come to its end: {ran.stderr.decode()}")
    found = [line for line in lines[:-1] if line]
    if len(found) != int(end[2]):
        sys.exit(f"{name} tells of {end[2]} differences and prints {len(found)}")
    print(f"{name}: {lines[-1]}")
    return found


def endpoint(line):
    """The endpoint of a recorded request that is answered by 404, or nothing."""
    found = re.match(r"[A-Z]+ ([\w/-]+).*: 404, wanted 422$", line)
    return found and found[1]


seed, base = sys.argv[1:3]
document = urllib.request.urlopen(f"{base}/openapi.json", timeout=30).read()
contract = set(differences([f"{seed}/check-contract.py", "-"], document))
replay = differences([f"{seed}/replay-validation.py", base, "acme"])

unknown = sorted(contract - CONTRACT) + [line for line in replay if endpoint(line) not in ENDPOINTS]
gone = sorted(CONTRACT - contract) + sorted(ENDPOINTS - {endpoint(line) for line in replay})
for line in unknown:
    print(f"differs: {line}")
for line in gone:
    print(f"differs no longer; take it out of the list: {line}")
if unknown or gone:
    sys.exit(1)
print("no difference but those that are known")
