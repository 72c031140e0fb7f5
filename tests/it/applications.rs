//! Applications as operators make and change them.

mod manage;
