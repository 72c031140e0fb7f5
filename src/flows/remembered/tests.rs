//! What may be kept, and what must not.

use super::*;
use crate::{
    domain::{
        settings::{Settings, SettingsLayer},
        tenant::{Branding, Status},
    },
    id::{Id as _, PartnerId},
    store::revisions::Changed,
};

const NOW: Timestamp = Timestamp::from_micros(1_767_225_600_000_000);

fn tenant(number: u128) -> Arc<Tenant> {
    let layer = SettingsLayer::default();
    Arc::new(Tenant {
        id: TenantId::from_uuid(uuid::Uuid::from_u128(number)),
        partner_id: PartnerId::from_uuid(uuid::Uuid::from_u128(number)),
        slug: Slug::parse(&format!("t{number}")).unwrap(),
        name: "Acme".to_owned(),
        status: Status::Active,
        settings: Settings::effective(&layer, &layer),
        branding: Branding::default(),
    })
}

fn keep(remembered: &Remembered, tenant: &Arc<Tenant>, known: i64) {
    remembered.keep(&remembered.tenants, tenant.id, (Arc::clone(tenant), NOW), known);
    remembered.keep(&remembered.slugs, tenant.slug.clone(), (Arc::clone(tenant), NOW), known);
}

fn keeps(remembered: &Remembered, tenant: &Tenant) -> bool {
    let by_id = remembered.tenants.get(&tenant.id).is_some();
    assert_eq!(by_id, remembered.slugs.get(&tenant.slug).is_some());
    by_id
}

#[test]
fn what_was_read_before_a_change_was_known_is_not_kept() {
    let (remembered, acme) = (Remembered::default(), tenant(1));
    remembered.learn(1, Some(&[]), NOW);
    keep(&remembered, &acme, 0);
    assert!(!keeps(&remembered, &acme));
    keep(&remembered, &acme, 1);
    assert!(keeps(&remembered, &acme));
}

#[test]
fn a_change_is_forgotten_alone_and_very_many_together() {
    let (remembered, acme, other) = (Remembered::default(), tenant(1), tenant(2));
    keep(&remembered, &acme, 0);
    keep(&remembered, &other, 0);
    let subject = Some(Subject::Tenant(acme.id));
    remembered.learn(1, Some(&[Changed { revision: 1, subject }]), NOW);
    assert!(!keeps(&remembered, &acme) && keeps(&remembered, &other));
    let subject = Some(Subject::Partner(other.partner_id));
    remembered.learn(2, Some(&[Changed { revision: 2, subject }]), NOW);
    assert!(!keeps(&remembered, &other));
    keep(&remembered, &acme, 2);
    keep(&remembered, &other, 2);
    remembered.learn(9_000, None, NOW);
    assert!(!keeps(&remembered, &acme) && !keeps(&remembered, &other));
}

#[test]
fn changes_are_asked_for_again_in_time_and_after_a_change_here() {
    let remembered = Remembered::default();
    assert_eq!(remembered.trusted(NOW, TRUSTED), None);
    remembered.learn(3, Some(&[]), NOW);
    assert_eq!(remembered.trusted(NOW + TRUSTED / 2, TRUSTED), Some(3));
    assert_eq!(remembered.trusted(NOW + TRUSTED, TRUSTED), None);
    // A clock that was set back proves nothing.
    assert_eq!(remembered.trusted(NOW - TRUSTED, TRUSTED), None);
    remembered.expire();
    assert_eq!(remembered.trusted(NOW, TRUSTED), None);
    // Who asked before somebody else learned more takes nothing back.
    remembered.learn(2, Some(&[]), NOW);
    assert_eq!(remembered.trusted(NOW, TRUSTED), Some(3));
}
