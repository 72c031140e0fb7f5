-- Second factors, passkeys, trusted devices, and what people change about themselves.

-- The method a user wants to be asked for first, and when an account that its owner has given up
-- is deleted.
ALTER TABLE users ADD COLUMN default_method TEXT;
ALTER TABLE users ADD COLUMN deletion_due_at BIGINT;
CREATE INDEX users_deletion ON users (deletion_due_at)
    WHERE deletion_due_at IS NOT NULL AND deleted_at IS NULL;

-- When the owner of a session last proved who he is: what changes factors asks for a recent proof.
ALTER TABLE sessions ADD COLUMN proved_at BIGINT NOT NULL DEFAULT 0;

-- What a step was proved by before it, for which client its tokens are, whose count its failures
-- go by, and the one mailed code that is good for it (as a keyed digest).
ALTER TABLE challenges ADD COLUMN client_id TEXT;
ALTER TABLE challenges ADD COLUMN subject BYTEA;
ALTER TABLE challenges ADD COLUMN failures BIGINT NOT NULL DEFAULT 0;
ALTER TABLE challenges ADD COLUMN email_code BYTEA;
ALTER TABLE challenges ADD COLUMN email_sent_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE challenges ADD COLUMN email_sends BIGINT NOT NULL DEFAULT 0;

-- Factors in use. The key of an authenticator app is sealed; last_step is the last time step whose
-- code was accepted, so that no code is accepted twice.
CREATE TABLE factors (
    tenant_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('totp', 'email')),
    secret BYTEA,
    last_step BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT,
    PRIMARY KEY (tenant_id, user_id, kind),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id)
);

-- Factors that wait for their first right code; at most one of a kind, the newest.
CREATE TABLE setups (
    tenant_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('totp', 'email')),
    secret BYTEA,
    code BYTEA,
    failures BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, user_id, kind),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id)
);
CREATE INDEX setups_expiry ON setups (expires_at);

CREATE TABLE backup_codes (
    tenant_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    digest BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    used_at BIGINT,
    PRIMARY KEY (tenant_id, user_id, digest),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id)
);

-- One credential belongs to one account of a relying party, whichever tenants share that party.
CREATE TABLE passkeys (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    rp_id TEXT NOT NULL,
    credential_id BYTEA NOT NULL,
    credential TEXT NOT NULL,
    counter BIGINT NOT NULL,
    name TEXT NOT NULL,
    aaguid TEXT,
    user_verified BOOLEAN NOT NULL,
    backed_up BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id)
);
CREATE UNIQUE INDEX passkeys_credential ON passkeys (rp_id, credential_id);
CREATE INDEX passkeys_user ON passkeys (tenant_id, user_id);

-- WebAuthn ceremonies between begin and finish: used once, whatever the answer. Bound to what was
-- under way when they began: a second-factor step, a session, or nothing (passkey sign-in).
CREATE TABLE ceremonies (
    tenant_id TEXT NOT NULL REFERENCES tenants (id),
    id TEXT NOT NULL,
    purpose TEXT NOT NULL CHECK (purpose IN ('register', 'second_factor', 'sign_in', 'reauthenticate')),
    bound_to TEXT NOT NULL,
    state TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX ceremonies_bound ON ceremonies (tenant_id, bound_to);
CREATE INDEX ceremonies_expiry ON ceremonies (expires_at);

-- Devices on which a second factor is not asked for again. Only the token's SHA-256 is here.
CREATE TABLE trusted_devices (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    digest BYTEA NOT NULL,
    epoch BIGINT NOT NULL,
    fingerprint BYTEA,
    label TEXT NOT NULL,
    address TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id)
);
CREATE UNIQUE INDEX trusted_devices_digest ON trusted_devices (tenant_id, digest);
CREATE INDEX trusted_devices_user ON trusted_devices (tenant_id, user_id);
CREATE INDEX trusted_devices_expiry ON trusted_devices (expires_at);

-- A new address that waits for its proof, and the old one, which may stop or undo the change.
CREATE TABLE email_changes (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    old_email TEXT NOT NULL,
    new_email TEXT NOT NULL,
    new_email_key TEXT NOT NULL,
    confirm_digest BYTEA NOT NULL,
    stop_digest BYTEA NOT NULL,
    epoch BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    stop_expires_at BIGINT NOT NULL,
    confirmed_at BIGINT,
    stopped_at BIGINT,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id)
);
CREATE UNIQUE INDEX email_changes_confirm ON email_changes (tenant_id, confirm_digest);
CREATE UNIQUE INDEX email_changes_stop ON email_changes (tenant_id, stop_digest);
CREATE INDEX email_changes_user ON email_changes (tenant_id, user_id);
CREATE INDEX email_changes_expiry ON email_changes (stop_expires_at);

-- What happened to one account, newest last.
CREATE INDEX audit_target ON audit (tenant_id, target_id, id) WHERE target_id IS NOT NULL;
