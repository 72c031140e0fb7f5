//! Applications: as operators make and change them, and as they come by themselves.

mod manage;
mod register;
