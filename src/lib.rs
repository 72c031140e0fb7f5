//! Countersign: a multi-tenant identity server.
//!
//! Reading order: the small values first, then the rules, then what stores, sends and computes,
//! then the use cases, then the doors. `ARCHITECTURE.md` has the map.

pub mod clock;
pub mod entropy;
pub mod error;
pub mod id;
pub mod secret;

pub mod config;
pub mod telemetry;

pub mod domain;

pub mod crypto;
pub mod db;
pub mod fetch;
pub mod mail;
pub mod store;
pub mod text;
pub mod view;

pub mod app;
pub mod flows;

pub mod cli;
pub mod http;
pub mod jobs;
