//! Alarms: a look at what came of sign-ins and registrations within the last minutes, over all
//! nodes, and what it raises.
//!
//! One node at a time looks, into the database, so that an attack that is spread over nodes is seen
//! whole and a restart forgets nothing. Each node keeps what is raised in memory, so that asking
//! costs nothing.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    app::App,
    clock::Timestamp,
    db::{Query, Tx},
    domain::audit::{Action, Actor, Event, Target},
    error::{Error, Result},
    flows::{Caller, Cx, fresh_id, record},
    id::{RequestId, TenantId},
    store::{self, alarms::Alarm},
};

/// How often is looked.
const PAUSE: Duration = Duration::from_secs(5);
/// What is looked at of a tenant.
const TENANT_WINDOW: Duration = Duration::from_mins(5);
/// What is looked at of a network, and how long an alarm lasts after the last sign of it.
const WINDOW: Duration = Duration::from_mins(15);
/// Wrong passwords of strangers in a tenant from which on one may think of an attack.
const TENANT_FAILURES: i64 = 50;
/// The addresses that they have to be for.
const TENANT_ACCOUNTS: i64 = 20;
/// Addresses of a tenant that a network has to fail with.
const NETWORK_ACCOUNTS: i64 = 10;
/// Registrations in a tenant that nobody has proved.
const REGISTRATIONS: i64 = 100;
/// Alarms that are written in one transaction.
const BATCH: usize = 500;
/// Alarms that are kept in memory at most.
const MOST: i64 = 10_000;

/// What an alarm is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Lists of addresses and passwords are tried in a tenant.
    Stuffing,
    /// A network fails with many accounts of a tenant.
    Network,
    /// Far more accounts are asked for than usual.
    Registrations,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Stuffing, Self::Network, Self::Registrations];

    /// The stored spelling.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stuffing => "credential_stuffing",
            Self::Network => "network",
            Self::Registrations => "registrations",
        }
    }
}

/// The alarms that are raised, as far as this node knows.
#[derive(Debug, Default)]
pub struct Alarms(RwLock<Arc<Raised>>);

/// Until when, by tenant, kind and digest of the network.
type Raised = HashMap<(TenantId, Kind, Vec<u8>), Timestamp>;

impl Alarms {
    /// Whether an alarm of a whole tenant is raised.
    #[must_use]
    pub fn of_tenant(&self, tenant: TenantId, kind: Kind, now: Timestamp) -> bool {
        self.is_raised(&(tenant, kind, Vec::new()), now)
    }

    /// Whether an alarm of a network in a tenant is raised.
    #[must_use]
    pub fn of_network(&self, tenant: TenantId, subject: [u8; 32], now: Timestamp) -> bool {
        self.is_raised(&(tenant, Kind::Network, subject.to_vec()), now)
    }

    fn is_raised(&self, what: &(TenantId, Kind, Vec<u8>), now: Timestamp) -> bool {
        let raised = Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner));
        !raised.is_empty() && raised.get(what).is_some_and(|until| now < *until)
    }
}

/// Looks, where it is this node's turn, and takes note of what is raised.
///
/// # Errors
/// Where the database fails.
pub async fn watch(app: &App) -> Result<()> {
    let now = app.clock.now();
    // Where nothing happens, nothing is written.
    let is_due = app
        .db
        .read(now - WINDOW, |tx, since| {
            Box::pin(store::alarms::is_anything_going_on_all_tenants(tx, *since))
        })
        .await?
        && app
            .db
            .write(now, |tx, now| Box::pin(store::alarms::take_turn(tx, "alarms", *now, PAUSE)))
            .await?;
    if is_due {
        let found = app.db.read(now, |tx, now| Box::pin(found(tx, *now))).await?;
        let (tenants, networks): (Vec<Alarm>, Vec<Alarm>) =
            found.into_iter().partition(|alarm| alarm.subject.is_empty());
        // Networks come and go by the thousand, and are only listed.
        for batch in networks.chunks(BATCH) {
            let rows: Vec<Query> =
                batch.iter().map(|it| store::alarms::raise(it.tenant, it, now)).collect();
            app.db.write(rows, |tx, rows| Box::pin(tx.pipeline(rows.clone()))).await?;
        }
        for alarm in tenants {
            raise(app, alarm, now).await?;
        }
    }
    let raised = app
        .db
        .read(now, |tx, now| Box::pin(store::alarms::raised_all_tenants(tx, *now, MOST)))
        .await?;
    let known = |alarm: &Alarm| Kind::ALL.into_iter().find(|kind| kind.as_str() == alarm.kind);
    let raised: Raised = raised
        .into_iter()
        .filter_map(|alarm| Some(((alarm.tenant, known(&alarm)?, alarm.subject), alarm.until)))
        .collect();
    *app.alarms.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(raised);
    Ok(())
}

async fn found(tx: &mut Tx, now: Timestamp) -> Result<Vec<Alarm>> {
    let mut alarms = Vec::new();
    for it in store::sign_ins::of_all_tenants(tx, now - TENANT_WINDOW, TENANT_FAILURES).await? {
        // People mistype; most of those who come in do so within a try or two.
        if it.accounts >= TENANT_ACCOUNTS && is_mostly(it.failures, it.tries) {
            let detail =
                json!({"failures": it.failures, "tries": it.tries, "accounts": it.accounts});
            alarms.push(alarm(
                Kind::Stuffing,
                it.tenant,
                (Vec::new(), String::new()),
                &detail,
                now,
            ));
        }
    }
    let since = now - WINDOW;
    for it in store::sign_ins::of_networks_all_tenants(tx, since, NETWORK_ACCOUNTS, MOST).await? {
        if is_mostly(it.failures, it.tries) {
            let detail =
                json!({"failures": it.failures, "tries": it.tries, "accounts": it.accounts});
            let subject = (it.subject.to_vec(), it.network);
            alarms.push(alarm(Kind::Network, it.tenant, subject, &detail, now));
        }
    }
    let since = now - TENANT_WINDOW;
    for it in store::alarms::registrations_all_tenants(tx, since, REGISTRATIONS).await? {
        let detail = json!({"registrations": it.count, "networks": it.networks});
        let subject = (Vec::new(), String::new());
        alarms.push(alarm(Kind::Registrations, it.tenant, subject, &detail, now));
    }
    Ok(alarms)
}

/// Whether six of ten fail.
fn is_mostly(failures: i64, tries: i64) -> bool {
    failures.saturating_mul(10) >= tries.saturating_mul(6)
}

fn alarm(
    kind: Kind,
    tenant: TenantId,
    (subject, name): (Vec<u8>, String),
    detail: &Value,
    now: Timestamp,
) -> Alarm {
    Alarm {
        tenant,
        kind: kind.as_str().to_owned(),
        subject,
        name,
        raised_at: now,
        until: now + WINDOW,
        detail: detail.to_string(),
    }
}

/// Raises an alarm of a tenant or lets it go on. A new one is recorded, and outsiders may be told.
async fn raise(app: &App, alarm: Alarm, now: Timestamp) -> Result<()> {
    let request_id = fresh_id::<RequestId>(&app.entropy, now)?.to_string();
    let mut event =
        Event::success(Action::AlarmRaised, Actor::System, Target::Tenant(alarm.tenant))
            .with("alarm", alarm.kind.as_str());
    if let Ok(Value::Object(counts)) = serde_json::from_str(&alarm.detail) {
        event.detail.extend(counts);
    }
    let told = store::events::New {
        id: fresh_id(&app.entropy, now)?,
        kind: Action::AlarmRaised.as_str(),
        at: now,
        payload: Value::Object(event.detail.clone()).to_string(),
    };
    let rows = [
        record(app, (alarm.tenant, now), &Caller::operator(request_id), event)?,
        store::events::insert(alarm.tenant, told),
    ];
    let is_new = app
        .db
        .write((alarm.clone(), rows, now), |tx, (alarm, rows, now)| {
            Box::pin(async move {
                let what = (alarm.kind.as_str(), alarm.subject.as_slice());
                let is_new = !store::alarms::is_raised(tx, alarm.tenant, what, *now).await?;
                let mut queries = vec![store::alarms::raise(alarm.tenant, alarm, *now)];
                queries.extend(rows.iter().filter(|_| is_new).cloned());
                tx.pipeline(queries).await?;
                Ok::<_, Error>(is_new)
            })
        })
        .await?;
    if is_new {
        metrics::counter!("countersign_alarms_total", "kind" => alarm.kind.clone()).increment(1);
        tracing::warn!(tenant = %alarm.tenant, kind = alarm.kind, counts = alarm.detail, "an alarm");
    }
    Ok(())
}

/// The newest alarms of a tenant, raised or over.
///
/// # Errors
/// Where the database fails.
pub async fn list(cx: &Cx) -> Result<Vec<Alarm>> {
    cx.app.db.read(cx.tenant.id, |tx, tenant| Box::pin(store::alarms::list(tx, *tenant, 200))).await
}

/// Ends all alarms of a tenant, which are raised again where what raised them goes on; how many.
///
/// # Errors
/// Where the database fails.
pub async fn end(cx: &Cx) -> Result<u64> {
    let event = Event::success(Action::AlarmsEnded, Actor::Operator, Target::Tenant(cx.tenant.id));
    let row = cx.record(event)?;
    cx.app
        .db
        .write((cx.tenant.id, cx.now, row), |tx, (tenant, now, row)| {
            Box::pin(async move {
                let ended = store::alarms::end(tx, *tenant, *now).await?;
                if ended > 0 {
                    row.clone().execute(tx).await?;
                }
                Ok(ended)
            })
        })
        .await
}
