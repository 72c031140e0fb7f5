//! A PostgreSQL database for each test, copied from a template that is made once.

use countersign::{
    app::MIGRATIONS,
    config::{DatabaseConfig, DatabaseUrl},
    crypto::opaque::{hex, sha256},
    db::Db,
    secret::Secret,
};
use tokio_postgres::{Client, NoTls};

use super::START;

/// Dropped with the value.
pub(crate) struct Database {
    name: String,
    server: String,
    pub(crate) url: String,
}

impl Database {
    /// A fresh database where the tests run on PostgreSQL; `None` where they run on SQLite.
    pub(crate) async fn for_test() -> Option<Self> {
        let server = server()?;
        let admin = connect(&server).await;
        let template = template(&admin, &server).await;
        let name = format!("cs_test_{}", uuid_like(&admin).await);
        create(&admin, &name, Some(&template)).await;
        let url = with_database(&server, &name);
        Some(Self { name, server, url })
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        let work = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let admin = connect(&server).await;
                let text = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
                let _ = admin.batch_execute(&text).await;
            });
        });
        let _ = work.join();
    }
}

#[expect(clippy::disallowed_methods, reason = "tests learn from the environment where to run")]
fn server() -> Option<String> {
    std::env::var("COUNTERSIGN_TEST_DATABASE_URL").ok().filter(|url| !url.is_empty())
}

#[expect(clippy::disallowed_methods, reason = "a connection of the tests runs beside them")]
async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// The migrated template of this schema, made by whoever comes first.
async fn template(admin: &Client, server: &str) -> String {
    let schema: String = MIGRATIONS.iter().map(|it| it.sql).collect();
    let name = format!("cs_template_{}", &hex(&sha256(schema.as_bytes()))[..16]);
    admin.batch_execute("SELECT pg_advisory_lock(4711)").await.unwrap();
    let known =
        admin.query("SELECT 1 FROM pg_database WHERE datname = $1", &[&name]).await.unwrap();
    if known.is_empty() {
        let raw = format!("{name}_raw");
        admin.batch_execute(&format!("DROP DATABASE IF EXISTS {raw} WITH (FORCE)")).await.unwrap();
        create(admin, &raw, None).await;
        let config = DatabaseConfig {
            url: DatabaseUrl::Postgres(Secret::new(with_database(server, &raw))),
            max_connections: 2,
            prepared_statements: true,
            wait: std::time::Duration::from_secs(10),
        };
        let db = Db::open(&config).await.unwrap();
        db.migrate(MIGRATIONS, START).await.unwrap();
        db.close().await;
        // The name appears only when the template is whole.
        let rename = format!("ALTER DATABASE {raw} RENAME TO {name}");
        while admin.batch_execute(&rename).await.is_err() {
            tokio::task::yield_now().await;
        }
    }
    admin.batch_execute("SELECT pg_advisory_unlock(4711)").await.unwrap();
    name
}

async fn create(admin: &Client, name: &str, template: Option<&str>) {
    let from = template.map(|it| format!(" TEMPLATE {it}")).unwrap_or_default();
    admin.batch_execute(&format!("CREATE DATABASE {name}{from}")).await.unwrap();
}

async fn uuid_like(admin: &Client) -> String {
    let row = admin.query_one("SELECT replace(gen_random_uuid()::text, '-', '')", &[]).await;
    row.unwrap().get(0)
}

/// `postgres://user@host:port/x` with another database.
fn with_database(server: &str, name: &str) -> String {
    let (base, _) = server.rsplit_once('/').expect("a URL with a database");
    format!("{base}/{name}")
}
