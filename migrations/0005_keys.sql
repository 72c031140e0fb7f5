-- Keys of a realm of their own, and when each is put to use and dropped. Those that were there
-- were the whole instance's; they are the platform's now.

ALTER TABLE signing_keys ADD COLUMN realm TEXT NOT NULL DEFAULT 'platform';
-- When a "next" key is due to sign.
ALTER TABLE signing_keys ADD COLUMN activates_at BIGINT;
-- When a "retired" key has outlived every token that it signed.
ALTER TABLE signing_keys ADD COLUMN expires_at BIGINT;

DROP INDEX signing_keys_active;
CREATE UNIQUE INDEX signing_keys_active ON signing_keys (realm, algorithm) WHERE state = 'active';
CREATE UNIQUE INDEX signing_keys_next ON signing_keys (realm, algorithm) WHERE state = 'next';
CREATE INDEX signing_keys_realm ON signing_keys (realm, created_at);
CREATE INDEX signing_keys_due ON signing_keys (activates_at) WHERE state = 'next';
CREATE INDEX signing_keys_ageing ON signing_keys (activated_at) WHERE state = 'active';
CREATE INDEX signing_keys_expiry ON signing_keys (expires_at) WHERE state = 'retired';
