//! The program: every collaborator, built once from the settings.

use std::{path::Path, sync::Arc};

use crate::{
    clock::Clock,
    config::{Config, Mode},
    crypto::{breached::Breached, password::Passwords, seal::MasterKey},
    db::{Db, Migration},
    entropy::Entropy,
    error::{Context, Error, Result},
    fetch::Fetcher,
    flows::{
        alarms::Alarms, applications::documents::UnreadDocuments, captcha, gate::Gates,
        keys::Keyring, load::Load, notes::Notes, oauth::client_keys::ClientKeys, pictures::Tried,
        remembered::Remembered, risk::Pairs, tenants::TenantCache,
        tokens::verified::VerifiedTokens,
    },
    mail::{Mailer, mailbox::Mailbox, smtp::Smtp},
    store,
    text::Texts,
    view::View,
};

/// The schema, in the order it grew.
pub const MIGRATIONS: &[Migration] = &[
    Migration {
        version: 1,
        name: "foundation",
        sql: include_str!("../migrations/0001_foundation.sql"),
    },
    Migration { version: 2, name: "factors", sql: include_str!("../migrations/0002_factors.sql") },
    Migration { version: 3, name: "tokens", sql: include_str!("../migrations/0003_tokens.sql") },
    Migration { version: 4, name: "oauth", sql: include_str!("../migrations/0004_oauth.sql") },
    Migration { version: 5, name: "keys", sql: include_str!("../migrations/0005_keys.sql") },
    Migration {
        version: 6,
        name: "pictures",
        sql: include_str!("../migrations/0006_pictures.sql"),
    },
    Migration {
        version: 7,
        name: "revisions",
        sql: include_str!("../migrations/0007_revisions.sql"),
    },
    Migration { version: 8, name: "abuse", sql: include_str!("../migrations/0008_abuse.sql") },
    Migration {
        version: 9,
        name: "disavowals",
        sql: include_str!("../migrations/0009_disavowals.sql"),
    },
    Migration { version: 10, name: "holders", sql: include_str!("../migrations/0010_holders.sql") },
    Migration { version: 11, name: "orders", sql: include_str!("../migrations/0011_orders.sql") },
];

/// Everything that a use case may need.
#[derive(Debug)]
pub struct App {
    /// The settings.
    pub config: Config,
    /// The time.
    pub clock: Clock,
    /// Randomness.
    pub entropy: Entropy,
    /// The database.
    pub db: Db,
    /// What seals and marks.
    pub master_key: MasterKey,
    /// Password hashing.
    pub passwords: Passwords,
    /// Passwords known to be out in the world.
    pub breached: Breached,
    /// Requests to addresses that others have named.
    pub fetcher: Fetcher,
    /// Outgoing mail.
    pub mailer: Mailer,
    /// Pages, mails and their words.
    pub view: View,
    /// Limits on load.
    pub load: Load,
    /// Turns to ask a provider of captchas.
    pub captcha_judges: tokio::sync::Semaphore,
    /// What looks like an attack at present.
    pub alarms: Alarms,
    /// Addresses and passwords that failed of late.
    pub pairs: Pairs,
    /// Rows that may be written a moment later.
    pub notes: Notes,
    /// One at a time for each account.
    pub gates: Arc<Gates>,
    /// Settings of tenants, parsed.
    pub tenants: TenantCache,
    /// Which addresses gave no logo of late.
    pub pictures: Tried,
    /// Documents of applications that could not be read.
    pub unread_documents: UnreadDocuments,
    /// Tenants and applications that need not be read again.
    pub remembered: Remembered,
    /// Keys that applications publish.
    pub client_keys: ClientKeys,
    /// The keys that sign tokens.
    pub keys: Keyring,
    /// Access tokens whose signature has been looked at.
    pub verified: VerifiedTokens,
    /// Wakes the sender of mails.
    pub mail_due: tokio::sync::Notify,
    /// Wakes whoever tells applications of ended sessions.
    pub logout_due: tokio::sync::Notify,
}

impl App {
    /// Builds everything: opens and migrates the database, loads or makes the master key.
    ///
    /// # Errors
    /// Where the data folder, the key or the database cannot be used, or the database belongs to
    /// another master key.
    pub async fn open(config: Config) -> Result<Arc<Self>> {
        Self::open_with(config, Clock::System, Entropy::Os).await
    }

    /// As [`App::open`], with a clock and randomness of the caller's.
    ///
    /// # Errors
    /// As [`App::open`].
    pub async fn open_with(config: Config, clock: Clock, entropy: Entropy) -> Result<Arc<Self>> {
        let master_key = if let Some(key) = &config.master_key {
            MasterKey::from_bytes(key.expose())?
        } else {
            make_folder(&config.data_dir)?;
            MasterKey::load_or_create(&config.data_dir.join("master.key"), &entropy)?
        };
        let db = Db::open(&config.database).await?;
        db.migrate(MIGRATIONS, clock.now()).await?;
        check_key(&db, &master_key, &clock).await?;
        let app = Self {
            passwords: Passwords::new(&config.passwords, entropy.clone())?,
            breached: Breached::new(&config.passwords)?,
            fetcher: Fetcher::new(&config.allowed_networks, config.mode.is_development()),
            mailer: mailer(&config)?,
            view: View::new(Texts::load())?,
            load: Load::new(&config.limits),
            captcha_judges: tokio::sync::Semaphore::new(captcha::JUDGES),
            alarms: Alarms::default(),
            pairs: Pairs::default(),
            notes: Notes::default(),
            gates: Arc::default(),
            tenants: TenantCache::default(),
            pictures: Tried::default(),
            unread_documents: UnreadDocuments::default(),
            remembered: Remembered::default(),
            client_keys: ClientKeys::default(),
            keys: Keyring::default(),
            verified: VerifiedTokens::default(),
            mail_due: tokio::sync::Notify::new(),
            logout_due: tokio::sync::Notify::new(),
            config,
            clock,
            entropy,
            db,
            master_key,
        };
        Ok(Arc::new(app))
    }

    /// Writes out what is still under way and closes the database.
    pub async fn close(&self) {
        self.db.close().await;
    }
}

/// The data folder is the server's alone: the master key lives in it.
fn make_folder(path: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .doing("making the data folder")
}

fn mailer(config: &Config) -> Result<Mailer> {
    match (&config.mail.smtp_url, config.mode) {
        (Some(_), _) => Smtp::new(&config.mail).map(Mailer::Smtp).doing("reading mail.smtp_url"),
        (None, Mode::Production) => Ok(Mailer::Held),
        (None, Mode::Development | Mode::Demo) => Ok(Mailer::Mailbox(Mailbox::default())),
    }
}

/// Two nodes with different keys could not read each other's mail and would break each other's
/// audit chain; better not to start.
async fn check_key(db: &Db, key: &MasterKey, clock: &Clock) -> Result<()> {
    let mine = key.check_value()?;
    let stored = db
        .write((mine, clock.now()), |tx, (mine, now)| {
            Box::pin(store::instance::key_check(tx, *mine, *now))
        })
        .await?;
    if stored == mine {
        return Ok(());
    }
    Err(Error::internal(
        "opening the database",
        "it was made with another master key; set master_key or master_key_file to that one",
    ))
}
