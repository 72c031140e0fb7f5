-- "This was not me": what the link in the notice of a sign-in may do, and the networks that an
-- account was used from.

-- The links, by the SHA-256 of their secrets.
CREATE TABLE disavowals (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    digest BYTEA NOT NULL,
    user_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    -- The address that the notice went to.
    email_key TEXT NOT NULL,
    device TEXT NOT NULL,
    address TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id)
);
CREATE UNIQUE INDEX disavowals_digest ON disavowals (tenant_id, digest);
CREATE INDEX disavowals_user ON disavowals (tenant_id, user_id);
CREATE INDEX disavowals_expiry ON disavowals (expires_at);

-- Kept only where the tenant has its users told of new networks.
CREATE TABLE known_networks (
    tenant_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    digest BYTEA NOT NULL,
    last_seen_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, user_id, digest),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id)
);
CREATE INDEX known_networks_seen ON known_networks (last_seen_at);
