//! What nodes keep in memory of tenants and applications: it saves reading, and never outlives a
//! change by more than it may.

use std::time::Duration;

use countersign::{
    db::sql,
    domain::{
        application::{ApplicationType, Owner},
        audit::Actor,
        tenant::{Slug, Status},
    },
    flows::{
        Caller,
        applications::manage::{self, By},
        fresh_id, tenants,
    },
    store::revisions::{Subject, note},
};
use serde_json::json;

use crate::support::{START, World, applications::Made, operator};

const GRANT: (&str, &str) = ("grant_type", "client_credentials");

/// Two nodes, a tenant, and an application that both nodes have just given a token.
struct Nodes {
    here: World,
    there: World,
    owner: Owner,
    made: Made,
}

async fn nodes() -> Nodes {
    let here = World::new().await;
    let there = here.second_node().await;
    let owner = Owner::Tenant(here.acme().await.tenant.id);
    let metadata = json!({"allowed_scopes": ["files:read"]});
    let made = here.application(owner, ApplicationType::Service, metadata).await;
    // A node that has just started knows no change, and takes the first one for very many.
    for query in note(Subject::Partner(fresh_id(&here.app.entropy, START).unwrap())) {
        here.execute_unnoticed(query).await;
    }
    here.app.remembered.expire();
    let nodes = Nodes { here, there, owner, made };
    assert_eq!(nodes.statuses().await, (200, 200));
    nodes
}

impl Nodes {
    async fn status(&self, node: &World) -> u16 {
        node.client().post_as("acme", "token", &self.made, &[GRANT]).await.status.as_u16()
    }

    async fn statuses(&self) -> (u16, u16) {
        (self.status(&self.here).await, self.status(&self.there).await)
    }

    /// A change here counts here at once, and there in a moment.
    async fn has_come(&self, status: u16) {
        assert_eq!(self.status(&self.here).await, status, "where it was changed");
        self.here.until_it_counts_elsewhere();
        assert_eq!(self.status(&self.there).await, status, "on another node");
    }
}

fn by(caller: &Caller) -> By<'_> {
    By { caller, actor: Actor::Operator }
}

#[tokio::test]
async fn a_suspension_reaches_every_node() {
    let nodes = nodes().await;
    let acme = Slug::parse("acme").unwrap();
    let set = async |status| {
        tenants::set_status(&nodes.here.app, &operator(), &acme, status).await.unwrap();
    };
    set(Status::Suspended).await;
    nodes.has_come(403).await;
    set(Status::Active).await;
    nodes.has_come(200).await;
    tenants::delete(&nodes.here.app, &operator(), &acme).await.unwrap();
    nodes.has_come(404).await;
}

#[tokio::test]
async fn what_happens_to_an_application_reaches_every_node() {
    let nodes = nodes().await;
    let caller = operator();
    let (app, named) = (&nodes.here.app, (nodes.owner, nodes.made.client_id.as_str()));
    manage::set_active(app, by(&caller), named, false).await.unwrap();
    nodes.has_come(401).await;
    manage::set_active(app, by(&caller), named, true).await.unwrap();
    nodes.has_come(200).await;
    // The secret that the application shows is replaced at once.
    manage::rotate_secret(app, by(&caller), named, Duration::ZERO).await.unwrap();
    nodes.has_come(401).await;
}

#[tokio::test]
async fn a_deleted_application_is_gone_on_every_node() {
    let nodes = nodes().await;
    let caller = operator();
    let named = (nodes.owner, nodes.made.client_id.as_str());
    manage::delete(&nodes.here.app, by(&caller), named).await.unwrap();
    nodes.has_come(401).await;
}

/// The change is noted as its flow would; only that one thing is read again.
#[tokio::test]
async fn a_change_to_a_partner_reaches_its_tenants() {
    let nodes = nodes().await;
    let partner = nodes.here.cx("acme").await.tenant.partner_id;
    let change = |queries: Vec<countersign::db::Query>| {
        nodes.here.app.db.write(queries, |tx, queries| {
            Box::pin(async move { tx.pipeline(queries.clone()).await })
        })
    };
    let [count, note] = note(Subject::Partner(partner));
    let suspend = sql("UPDATE partners SET status = 'suspended'");
    change(vec![suspend, count, note]).await.unwrap();
    nodes.here.app.remembered.expire();
    nodes.has_come(403).await;
}

/// Nothing is read while nothing has changed: a change that nobody notes goes unseen, but not for
/// longer than a minute.
#[tokio::test]
async fn what_is_remembered_is_not_read_again_for_a_minute() {
    let nodes = nodes().await;
    let disable = || sql("UPDATE applications SET status = 'disabled'");
    nodes.here.execute_unnoticed(disable()).await;
    nodes.here.advance(Duration::from_secs(59));
    assert_eq!(nodes.statuses().await, (200, 200), "it was read again");
    nodes.here.advance(Duration::from_secs(1));
    assert_eq!(nodes.statuses().await, (401, 401), "it was not read again");
}

/// More changes than a node looks at one by one.
#[tokio::test]
async fn after_very_many_changes_everything_is_read_again() {
    let nodes = nodes().await;
    nodes.here.execute_unnoticed(sql("UPDATE instance SET revision = revision + 3000")).await;
    let rows = "INSERT INTO revisions (subject, revision) \
                WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) \
                SELECT 'something else ' || i, i FROM n";
    nodes.here.execute_unnoticed(sql(rows)).await;
    nodes.here.execute_unnoticed(sql("UPDATE applications SET status = 'disabled'")).await;
    nodes.here.app.remembered.expire();
    nodes.has_come(401).await;
}

/// What was read before a change is never remembered after it, however the two are timed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_race_of_reading_and_changing_ends_with_the_change() {
    let nodes = nodes().await;
    let acme = Slug::parse("acme").unwrap();
    for round in 0..20 {
        let status = if round % 2 == 0 { Status::Suspended } else { Status::Active };
        let caller = operator();
        let change = tenants::set_status(&nodes.here.app, &caller, &acme, status);
        let reads = async {
            for _ in 0..5 {
                nodes.statuses().await;
            }
        };
        let (changed, ()) = tokio::join!(change, reads);
        changed.unwrap();
        nodes.has_come(if status == Status::Suspended { 403 } else { 200 }).await;
    }
}
