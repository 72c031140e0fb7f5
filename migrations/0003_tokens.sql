-- What signs tokens, and the families of refresh tokens.

-- Private keys are sealed under the master key; the public half is plain JSON (RFC 7517). A key
-- is published before it signs and after it has ceased to: "next", "active", "retired".
CREATE TABLE signing_keys (
    kid TEXT PRIMARY KEY,
    algorithm TEXT NOT NULL CHECK (algorithm IN ('ES256', 'RS256', 'EdDSA')),
    state TEXT NOT NULL CHECK (state IN ('next', 'active', 'retired')),
    private_key BYTEA NOT NULL,
    public_key TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    activated_at BIGINT,
    retired_at BIGINT
);
CREATE UNIQUE INDEX signing_keys_active ON signing_keys (algorithm) WHERE state = 'active';

-- One row for all refresh tokens that follow from one sign-in. Only digests are here: of the token
-- that is good, and of the one before it. What leads from that one to its successor is computed
-- from the token itself, so that nothing here opens it, not even together with the master key.
CREATE TABLE grants (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    session_id TEXT,
    client_id TEXT NOT NULL,
    scope TEXT NOT NULL,
    -- The epoch of the user's credentials, as for sessions.
    epoch BIGINT NOT NULL,
    auth_methods TEXT NOT NULL,
    authenticated_at BIGINT NOT NULL,
    digest BYTEA NOT NULL,
    previous_digest BYTEA,
    salt BYTEA,
    rotated_at BIGINT,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id),
    FOREIGN KEY (tenant_id, session_id) REFERENCES sessions (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX grants_session ON grants (tenant_id, session_id);
CREATE INDEX grants_user ON grants (tenant_id, user_id);
CREATE INDEX grants_expiry ON grants (expires_at);

-- A person may have accounts in several tenants under one address.
CREATE INDEX users_address ON users (email_key) WHERE deleted_at IS NULL;

-- Failed tries at the portal where no tenant was named, so that an address without any account
-- counts like one with several. The subject is a digest.
CREATE TABLE portal_attempts (
    subject BYTEA PRIMARY KEY,
    failures BIGINT NOT NULL,
    first_at BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX portal_attempts_expiry ON portal_attempts (expires_at);
