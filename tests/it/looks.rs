//! How pages look and how they are delivered: a tenant's looks, pictures, frames, files, headers.

mod assets;
mod branding;
mod embedding;
mod headers;
mod pictures;

use countersign::{
    domain::tenant::{Branding, Slug},
    error::Result,
    flows::{pictures::NewPicture, tenants},
};
use serde_json::Value;

use crate::support::{World, operator};

impl World {
    /// Gives `acme` looks (JSON of its layer).
    async fn dress(&self, looks: Value) -> Result<()> {
        self.dress_with(serde_json::from_value(looks).unwrap(), Vec::new()).await
    }

    async fn dress_with(&self, branding: Branding, pictures: Vec<NewPicture>) -> Result<()> {
        let acme = Slug::parse("acme").unwrap();
        let change =
            tenants::Change { branding: Some(branding), pictures, ..tenants::Change::default() };
        tenants::update(&self.app, &operator(), &acme, change).await.map(|_| ())
    }
}

/// The beginning of a PNG, which is all that is looked at.
fn png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    bytes.extend(width.to_be_bytes());
    bytes.extend(height.to_be_bytes());
    bytes.extend([8, 6, 0, 0, 0, 0, 0, 0, 0]);
    bytes
}
