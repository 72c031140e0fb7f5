//! An exchange of a refresh token of which nothing came: it costs nobody his token.

use std::time::Duration;

use countersign::{
    db::sql,
    error::Error,
    id::GrantId,
    store::grants::{self, Rotation},
};

use super::{refresh, signed_in, text};
use crate::support::World;

/// What a family's row says of its tokens.
type Tokens = (Vec<u8>, Option<Vec<u8>>, Option<Vec<u8>>, Option<i64>);

async fn kept(world: &World) -> Tokens {
    let text = "SELECT digest, previous_digest, salt, rotated_at FROM grants";
    let mut rows: Vec<Tokens> = world.rows(sql(text)).await;
    assert_eq!(rows.len(), 1);
    rows.remove(0)
}

#[tokio::test]
async fn a_token_that_nothing_came_of_is_good_once_more() {
    let (world, _, _, minted) = signed_in("{}").await;
    let other = world.second_node().await;
    let mut token = text(&minted);
    // The first of the family, which has none before it, and one that has.
    for _ in 0..2 {
        world.advance(Duration::from_secs(60));
        let before = kept(&world).await;
        // The token is exchanged before a node finds that it has no keys to sign with.
        world.execute(sql("ALTER TABLE signing_keys RENAME TO signing_keys_gone")).await;
        for _ in 0..2 {
            let failed = refresh(&other.app, &token).await;
            assert!(matches!(failed, Err(Error::Internal(_))), "{failed:?}");
            assert_eq!(kept(&world).await, before);
        }
        world.execute(sql("ALTER TABLE signing_keys_gone RENAME TO signing_keys")).await;
        token = text(&refresh(&world.app, &token).await.unwrap().minted);
        assert_ne!(kept(&world).await, before);
    }
    assert!(refresh(&other.app, &token).await.is_ok());
}

#[tokio::test]
async fn an_exchange_that_others_have_gone_on_from_is_not_taken_back() {
    let (world, acme, _, _) = signed_in("{}").await;
    let (id,): (GrantId,) = world.rows(sql("SELECT id FROM grants")).await[0];
    let (tenant, now) = (acme.tenant.id, acme.now);
    let found = world
        .app
        .db
        .read((tenant, id, now), |tx, (tenant, id, now)| {
            Box::pin(grants::facts(tx, *tenant, *id, None, *now))
        })
        .await
        .unwrap()
        .unwrap();
    let digests = [found.family.current, [1; 32], [2; 32]];
    let [first, second] = [0, 1].map(|place| Rotation {
        id,
        shown: digests[place],
        next: digests[place + 1],
        salt: [3; 32],
        holder: None,
        now,
    });
    let before = kept(&world).await;
    assert_eq!(world.execute(grants::rotate(tenant, &first)).await, 1);
    let elsewhere = world.tenant("other", "{}").await.tenant.id;
    assert_eq!(world.execute(grants::take_back(elsewhere, &first, &found)).await, 0);
    assert_eq!(world.execute(grants::take_back(tenant, &first, &found)).await, 1);
    assert_eq!(kept(&world).await, before);
    // Once it is taken back, it is.
    assert_eq!(world.execute(grants::take_back(tenant, &first, &found)).await, 0);
    for rotation in [&first, &second] {
        assert_eq!(world.execute(grants::rotate(tenant, rotation)).await, 1);
    }
    let after = kept(&world).await;
    assert_eq!(world.execute(grants::take_back(tenant, &first, &found)).await, 0);
    assert_eq!(kept(&world).await, after);
}
