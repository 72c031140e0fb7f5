-- Rows of one user are wanted in their order. SQLite keeps no statistics: where an index of the user
-- has not that order, too, it rather walks through all rows of the tenant, which have.

DROP INDEX challenges_user;
CREATE INDEX challenges_user ON challenges (tenant_id, user_id, id);
DROP INDEX email_changes_user;
CREATE INDEX email_changes_user ON email_changes (tenant_id, user_id, id);
DROP INDEX passkeys_user;
CREATE INDEX passkeys_user ON passkeys (tenant_id, user_id, id);
DROP INDEX sessions_user;
CREATE INDEX sessions_user ON sessions (tenant_id, user_id, id);
DROP INDEX trusted_devices_user;
CREATE INDEX trusted_devices_user ON trusted_devices (tenant_id, user_id, id);
DROP INDEX tickets_email;
CREATE INDEX tickets_email ON tickets (tenant_id, email_key, purpose, id);

-- What ends with an account, and what ends with a tenant.
CREATE INDEX tickets_user ON tickets (tenant_id, user_id) WHERE user_id IS NOT NULL;
CREATE INDEX device_codes_user ON device_codes (user_tenant, user_id) WHERE user_id IS NOT NULL;
CREATE INDEX tenants_deleted ON tenants (id) WHERE deleted_at IS NOT NULL;
