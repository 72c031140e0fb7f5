//! Which statements are sent, and how the engine would run them.

use std::{
    collections::BTreeSet,
    sync::{Mutex, Once, PoisonError},
};

use countersign::{
    config::DatabaseUrl,
    db::{FromRow, Row, sql},
};
use tracing::{
    Event, Instrument as _, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    Layer, filter::Targets, layer::Context, layer::SubscriberExt as _, registry::LookupSpan,
};

use crate::support::World;

/// Other tests of this process run at the same time: only what is sent inside of this span counts.
const SPAN: &str = "collected";

static SENT: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Keeps the texts that SQLite is given.
struct Collector;

impl<S: Subscriber + for<'s> LookupSpan<'s>> Layer<S> for Collector {
    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let is_ours = |mut spans: tracing_subscriber::registry::Scope<'_, S>| {
            spans.any(|span| span.name() == SPAN)
        };
        if context.event_scope(event).is_some_and(is_ours) {
            event.record(&mut Statement);
        }
    }
}

struct Statement;

impl Visit for Statement {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "statement" {
            SENT.lock().unwrap_or_else(PoisonError::into_inner).insert(value.to_owned());
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}

/// A world after `work`, and on SQLite the texts of all that it has sent. On PostgreSQL they are
/// kept by its one connection.
pub(super) async fn while_doing<F: Future<Output = ()>>(
    work: impl FnOnce(std::sync::Arc<World>) -> F,
) -> (std::sync::Arc<World>, BTreeSet<String>) {
    static START: Once = Once::new();
    START.call_once(|| {
        let targets = Targets::new()
            .with_target("countersign", tracing::Level::TRACE)
            .with_target(module_path!(), tracing::Level::TRACE);
        let collector = tracing_subscriber::registry().with(Collector.with_filter(targets));
        tracing::subscriber::set_global_default(collector).unwrap();
    });
    let world =
        std::sync::Arc::new(World::with(|config| config.database.max_connections = 1).await);
    let span = tracing::info_span!("collected");
    work(std::sync::Arc::clone(&world)).instrument(span).await;
    (world, SENT.lock().unwrap_or_else(PoisonError::into_inner).clone())
}

/// How a statement would be run.
pub(super) struct Plan {
    pub(super) text: String,
    /// As the engine tells it.
    pub(super) lines: Vec<String>,
    /// Where it reads more than it has to.
    pub(super) walks: Vec<String>,
}

/// The plans of `texts` on SQLite, or of all that the connection has prepared on PostgreSQL.
pub(super) async fn plans(world: &World, texts: &BTreeSet<String>) -> Vec<Plan> {
    match &world.app.config.database.url {
        DatabaseUrl::Sqlite(path) => {
            let db = rusqlite::Connection::open(path).unwrap();
            texts.iter().map(|text| on_sqlite(&db, text)).collect()
        }
        DatabaseUrl::Postgres(_) => on_postgres(world).await,
    }
}

fn on_sqlite(db: &rusqlite::Connection, text: &str) -> Plan {
    let mut statement = db.prepare(&format!("EXPLAIN QUERY PLAN {text}")).unwrap();
    let mut rows = statement.raw_query();
    let mut lines: Vec<String> = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        lines.push(row.get("detail").unwrap());
    }
    let walks = lines.iter().filter(|line| walks_on_sqlite(line, &lines)).cloned().collect();
    Plan { text: text.to_owned(), lines, walks }
}

/// `SCAN t`, with an index or without; `SEARCH t USING INDEX i (tenant_id=?)`. What the statement
/// itself has put together, it may look through.
fn walks_on_sqlite(line: &str, all: &[String]) -> bool {
    if let Some(what) = line.strip_prefix("SCAN ") {
        let is_made = |it: &String| {
            ["CO-ROUTINE ", "MATERIALIZE "].iter().any(|made| it.strip_prefix(made) == Some(what))
        };
        return what != "CONSTANT ROW" && !all.iter().any(is_made);
    }
    let condition = line.rsplit_once(" (").map(|(_, rest)| rest.split(')').next().unwrap());
    line.starts_with("SEARCH ") && condition.is_some_and(is_of_tenant_alone)
}

/// Whether nothing but whose a row is narrows a condition.
fn is_of_tenant_alone(condition: &str) -> bool {
    condition.split(" AND ").all(|part| {
        let name = part.trim_matches(['(', ')', ' ']).split(['=', '<', '>', ' ']).next();
        matches!(name, Some("tenant_id" | "user_tenant" | "realm"))
    })
}

/// A prepared statement.
struct Prepared {
    name: String,
    text: String,
    binds: i64,
}

impl FromRow for Prepared {
    fn from_row(row: &Row) -> countersign::error::Result<Self> {
        Ok(Self { name: row.get("name")?, text: row.get("statement")?, binds: row.get("binds")? })
    }
}

async fn on_postgres(world: &World) -> Vec<Plan> {
    let prepared: Vec<Prepared> = world
        .rows(sql("SELECT name, statement, \
                          CAST(COALESCE(cardinality(parameter_types), 0) AS BIGINT) AS binds \
                   FROM pg_prepared_statements WHERE statement NOT LIKE '%pg_prepared_statements%'"))
        .await;
    world.execute(sql(include_str!("fill.sql"))).await;
    for statement in
        ["ANALYZE", "SET enable_seqscan = off", "SET plan_cache_mode = force_generic_plan"]
    {
        world.app.db.read((), move |tx, ()| Box::pin(sql(statement).execute(tx))).await.unwrap();
    }
    let mut plans = Vec::new();
    for Prepared { name, text, binds } in prepared {
        let binds = (0..binds).map(|_| "NULL").collect::<Vec<_>>().join(", ");
        let binds = if binds.is_empty() { binds } else { format!("({binds})") };
        let explain: &'static str = format!("EXPLAIN (COSTS OFF) EXECUTE {name}{binds}").leak();
        let lines: Vec<String> = world.rows(sql(explain)).await;
        let walks = walks_on_postgres(&lines);
        plans.push(Plan { text, lines, walks });
    }
    plans
}

/// `Seq Scan on t`, and a scan of an index without a condition, or with none but whose a row is.
fn walks_on_postgres(lines: &[String]) -> Vec<String> {
    let mut walks = Vec::new();
    for (place, line) in lines.iter().enumerate() {
        let node = line.trim_start().trim_start_matches("->").trim_start();
        let is_by_index = ["Index Scan", "Index Only Scan", "Bitmap Index Scan"]
            .iter()
            .any(|kind| node.starts_with(kind));
        let details = lines[place + 1..].iter().map(|it| it.trim_start());
        let condition = details
            .take_while(|it| !it.starts_with("->"))
            .find_map(|it| it.strip_prefix("Index Cond: "));
        if node.starts_with("Seq Scan") || (is_by_index && condition.is_none_or(is_of_tenant_alone))
        {
            walks.push(line.clone());
        }
    }
    walks
}
