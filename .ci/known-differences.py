"""Holds a running server against the reference's facts, but for what is known to be still to come.

usage: known-differences.py SEED_FOLDER BASE_URL
"""

import subprocess
import sys
import urllib.request

# Second factors come next: three endpoints and their schemas.
COMING = ("/mfa/", "mfa/", "schema MFAChallenge", "schema ApiResponse_MFAChallenge")

seed, base = sys.argv[1:3]
document = urllib.request.urlopen(f"{base}/openapi.json", timeout=30).read()


def differences(arguments, given=None):
    ran = subprocess.run([sys.executable, *arguments], input=given, capture_output=True)
    *lines, last = ran.stdout.decode().strip().splitlines() or [ran.stderr.decode()]
    print(f"{arguments[0].rsplit('/', 1)[-1]}: {last}")
    return lines


def is_coming(line):
    return any(
        line.split(" ", 1)[-1].startswith(mark) or line.startswith(mark) or mark in line.split(" ")[1]
        for mark in COMING
    )


contract = differences([f"{seed}/check-contract.py", "-"], document)
replay = differences([f"{seed}/replay-validation.py", base, "acme"])
unknown = [line for line in contract + replay if line and not is_coming(line)]
missing = [line for line in contract if is_coming(line)]
print(*unknown, sep="\n")
if len(missing) != 6:
    print(f"the list of what is to come says 6 differences of the contract, found {len(missing)}")
    sys.exit(1)
sys.exit(bool(unknown))
