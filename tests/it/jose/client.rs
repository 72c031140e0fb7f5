//! An application with keys of its own.

use countersign::{
    domain::application::{Application, ApplicationType, Metadata, Origin, Owner},
    error::Error,
    flows::applications,
    id::ApplicationId,
    store::applications::{ApplicationRow, Secrets, insert},
};
use serde_json::Value;

use crate::support::{START, World};

/// Registers an application of `owner` with `metadata` and secrets.
pub(crate) async fn register(
    world: &World,
    (owner, kind): (Owner, ApplicationType),
    metadata: &Value,
    secrets: Secrets,
) -> ApplicationRow {
    let id: ApplicationId =
        countersign::id::Id::from_uuid(world.app.entropy.id(world.app.clock.now()).unwrap());
    let metadata: Metadata = serde_json::from_value(metadata.clone()).unwrap();
    let row = ApplicationRow {
        id,
        client_id: id.to_string(),
        owner,
        kind,
        name: "Test".to_owned(),
        is_active: true,
        origin: Origin::Operator,
        metadata: serde_json::to_string(&metadata).unwrap(),
        secrets,
        registration_digest: None,
        read_at: None,
        created_at: START,
        updated_at: START,
    };
    assert_eq!(world.execute(insert(&row)).await, 1);
    row
}

/// The application of a row.
pub(crate) async fn of(world: &World, row: &ApplicationRow) -> Result<Application, Error> {
    let found = applications::by_id(&world.app, row.id).await?.unwrap();
    Ok((*found.application).clone())
}
