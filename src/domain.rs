//! What the rules are made of: values and decisions, no input or output, nothing that waits.

pub mod agent;
pub mod application;
pub mod audit;
pub mod captcha;
pub mod email;
pub mod factor;
pub mod guessing;
pub mod limits;
pub mod login;
pub mod network;
pub mod oauth;
pub mod password;
pub mod registration;
pub mod risk;
pub mod session;
pub mod settings;
pub mod tenant;
pub mod ticket;
pub mod token;
pub mod user;
