//! Applications: as operators make and change them, and as they come by themselves.

mod cors;
mod documents;
mod manage;
mod register;
