//! Pictures, kept by whoever shows them: a tenant, a partner or the platform. Statements here name
//! owners, as those on applications do.

use super::applications::owner_text;
use crate::{
    clock::Timestamp,
    db::{FromRow, Query, Row, Tx, sql},
    domain::{application::Owner, tenant::PictureFormat},
    error::{Context, Result},
};

/// A picture that is to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPicture {
    /// Where it was fetched; empty: it was uploaded.
    pub source: String,
    /// SHA-256 of the body, hexadecimal.
    pub digest: String,
    /// What it is.
    pub format: PictureFormat,
    /// In pixels: width and height.
    pub size: (u32, u32),
    /// Its bytes.
    pub body: Vec<u8>,
}

/// A picture that is kept, without its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// SHA-256 of the body, hexadecimal.
    pub digest: String,
    /// What it is.
    pub format: PictureFormat,
    /// In pixels: width and height.
    pub size: (u32, u32),
}

fn format(row: &Row) -> Result<PictureFormat> {
    let found = PictureFormat::from_name(&row.get::<String>("format")?);
    found.ok_or("not a format of ours").doing("reading a picture")
}

impl FromRow for Kept {
    fn from_row(row: &Row) -> Result<Self> {
        let side = |name| -> Result<u32> {
            u32::try_from(row.get::<i64>(name)?).doing("reading a picture")
        };
        Ok(Self {
            digest: row.get("digest")?,
            format: format(row)?,
            size: (side("width")?, side("height")?),
        })
    }
}

/// The bytes of a picture, and what they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    /// What it is.
    pub format: PictureFormat,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl FromRow for Body {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self { format: format(row)?, bytes: row.get("body")? })
    }
}

/// Keeps a picture; one that is there already stays.
pub fn insert(owner: Owner, new: &NewPicture, now: Timestamp) -> Query {
    sql("INSERT INTO pictures (owner, source, digest, format, width, height, body, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING")
    .bind(owner_text(owner))
    .bind(new.source.as_str())
    .bind(new.digest.as_str())
    .bind(new.format.as_str())
    .bind(i64::from(new.size.0))
    .bind(i64::from(new.size.1))
    .bind(new.body.clone())
    .bind(now)
}

/// The bytes of a picture that one of these owners keeps.
pub async fn body(tx: &mut Tx, digest: &str, owners: [Owner; 3]) -> Result<Option<Body>> {
    let [a, b, c] = owners.map(owner_text);
    sql("SELECT format, body FROM pictures WHERE digest = $1 AND owner IN ($2, $3, $4) LIMIT 1")
        .bind(digest)
        .bind(a)
        .bind(b)
        .bind(c)
        .optional(tx)
        .await
}

/// The newest copy that an owner keeps of what lay at an address.
pub async fn from_source(tx: &mut Tx, owner: Owner, source: &str) -> Result<Option<Kept>> {
    sql("SELECT digest, format, width, height FROM pictures \
         WHERE owner = $1 AND source = $2 ORDER BY created_at DESC LIMIT 1")
    .bind(owner_text(owner))
    .bind(source)
    .optional(tx)
    .await
}

/// Drops what was uploaded for an owner and is none of these any more.
pub fn drop_others(owner: Owner, kept: &[String; 3]) -> Query {
    let [a, b, c] = kept;
    sql("DELETE FROM pictures \
         WHERE owner = $1 AND source = '' AND digest <> $2 AND digest <> $3 AND digest <> $4")
    .bind(owner_text(owner))
    .bind(a.as_str())
    .bind(b.as_str())
    .bind(c.as_str())
}
