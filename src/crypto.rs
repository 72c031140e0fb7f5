//! Everything that names a cipher, a hash or a key size.
//!
//! Password hashing and its threads, opaque tokens, signed tokens, certificates, secrets at rest,
//! what is known of breached passwords. What a password must look like is not here
//! (`domain::password`), nor is what a token means.

pub mod breached;
pub mod certificate;
pub mod codes;
pub mod device;
pub mod hasher;
pub mod imported;
pub mod jose;
pub mod kernel;
pub mod opaque;
pub mod password;
pub mod refresh;
pub mod seal;
pub mod totp;
pub mod webauthn;
