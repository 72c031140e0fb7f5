// Makes a key pair as an application does for itself: both halves as JWK on standard output.

import { calculateJwkThumbprint, exportJWK, generateKeyPair } from "jose";

const alg = process.argv[2];
const pair = await generateKeyPair(alg, { extractable: true });
const [secret, open] = [await exportJWK(pair.privateKey), await exportJWK(pair.publicKey)];
const kid = await calculateJwkThumbprint(open);
const about = { alg, use: "sig", kid };
console.log(JSON.stringify({ private: { ...secret, ...about }, public: { ...open, ...about } }));
