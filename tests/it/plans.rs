//! That no statement of a hot path reads a table from end to end, or a tenant's part of one. The
//! statements are those that the server really sends while people and applications do what they do
//! all day; the engine is asked how it would run each.

mod sent;
mod walk;

use std::collections::BTreeSet;

use countersign::db::Engine;

use self::sent::Plan;

/// What may be read as a whole: by a part of the statement, and of the line of its plan.
const MAY: &[(&str, &str)] = &[
    // One row for each tenant.
    (" audit_heads ", "audit_heads"),
    // A handful of keys for each realm.
    ("FROM signing_keys WHERE realm = ", "signing_keys_realm"),
    // An index of nothing but what waits, or has to be told of: counted for the metrics.
    ("SELECT COUNT(*) FROM outbox WHERE state = ", "outbox_due"),
    ("SELECT COUNT(*) FROM outbox WHERE state = ", "outbox_dead"),
    // An index of nothing but the rows that are not chained yet, read a batch at a time.
    ("FROM audit WHERE seq IS NULL LIMIT", "audit_unchained"),
    ("FROM audit WHERE tenant_id = $1 AND seq IS NULL ORDER BY id LIMIT", "audit_unchained"),
    // Once a minute: the tenants that were deleted, by an index of nothing else, and on PostgreSQL
    // the keys, of which a tenant has a handful.
    ("DELETE FROM signing_keys ", "tenants_deleted"),
    ("DELETE FROM signing_keys ", "signing_keys"),
    // Partners are few; the tenants come a batch at a time.
    ("LIKE '%\"logo_url\"%'", "partners"),
    // Once, when the server starts.
    ("FROM schema_migrations ORDER BY version", "schema_migrations"),
];

#[tokio::test]
async fn no_hot_statement_reads_all_of_a_table_or_of_a_tenant() {
    let (world, texts) = sent::while_doing(walk::a_day).await;
    let plans = sent::plans(&world, &texts).await;
    assert!(plans.len() >= 200, "{} statements are not all", plans.len());
    let (mut faults, mut needed) = (Vec::new(), BTreeSet::new());
    for Plan { text, lines, walks } in plans {
        for walk in walks {
            let may = MAY.iter().find(|(part, place)| text.contains(part) && walk.contains(place));
            match may {
                Some(may) => drop(needed.insert(may)),
                None => faults.push(format!("{walk}\nof {text}\n{}", lines.join("\n"))),
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
    // SQLite is asked of less.
    if world.app.db.engine() == Engine::Postgres {
        assert_eq!(needed.len(), MAY.len(), "an exception is not needed any more: {needed:?}");
    }
}
