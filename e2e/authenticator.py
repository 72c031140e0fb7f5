"""A passkey in software that counts its signatures, as WebAuthn Level 3 has it."""

import base64
import hashlib
import json
import os
import struct

USER, VERIFIED, ATTESTED = 1, 4, 64


def encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def cbor(value):
    """As much of CBOR (RFC 8949) as an authenticator needs."""

    def head(kind, number):
        if number < 24:
            return bytes([kind << 5 | number])
        return bytes([kind << 5 | 24, number]) if number < 256 else bytes([kind << 5 | 25]) + struct.pack(">H", number)

    if isinstance(value, int):
        return head(0, value) if value >= 0 else head(1, -1 - value)
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    if isinstance(value, str):
        return head(3, len(value)) + value.encode()
    return head(5, len(value)) + b"".join(cbor(key) + cbor(it) for key, it in value.items())


class Authenticator:
    def __init__(self, origin):
        from cryptography.hazmat.primitives.asymmetric import ec

        self.origin, self.key, self.id, self.count = origin, ec.generate_private_key(ec.SECP256R1()), os.urandom(32), 0

    def client_data(self, kind, challenge):
        return json.dumps({"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}).encode()

    def data(self, rp_id, flags, count):
        return hashlib.sha256(rp_id.encode()).digest() + bytes([flags]) + struct.pack(">I", count)

    def create(self, options):
        """The answer to `navigator.credentials.create`, without an attestation."""
        point = self.key.public_key().public_numbers()
        public = cbor({1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32, "big"), -3: point.y.to_bytes(32, "big")})
        data = self.data(options["rp"]["id"], USER | VERIFIED | ATTESTED, self.count)
        data += bytes(16) + struct.pack(">H", len(self.id)) + self.id + public
        self.handle = options["user"]["id"]
        response = {
            "clientDataJSON": encoded(self.client_data("webauthn.create", options["challenge"])),
            "attestationObject": encoded(cbor({"fmt": "none", "attStmt": {}, "authData": data})),
            "transports": ["internal"],
        }
        return self.credential(response)

    def get(self, options, count=None):
        """The answer to `navigator.credentials.get`; with a count, one that claims that count."""
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec

        if count is None:
            self.count += 1
            count = self.count
        data = self.data(options["rpId"], USER | VERIFIED, count)
        said = self.client_data("webauthn.get", options["challenge"])
        signature = self.key.sign(data + hashlib.sha256(said).digest(), ec.ECDSA(hashes.SHA256()))
        response = {
            "clientDataJSON": encoded(said),
            "authenticatorData": encoded(data),
            "signature": encoded(signature),
            "userHandle": self.handle,
        }
        return self.credential(response)

    def credential(self, response):
        name = encoded(self.id)
        return {"id": name, "rawId": name, "type": "public-key", "response": response, "clientExtensionResults": {}, "authenticatorAttachment": "platform"}
