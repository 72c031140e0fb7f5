//! The JSON API, one file for each group of endpoints.

mod form;
mod login;
mod password;
mod register;
mod verify_email;
