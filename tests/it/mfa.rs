//! Second factors through the real interface: the second step of a sign-in, enrolment, trusted
//! devices, guessing. The names of cases (MFA-01 …) are those of the security catalogue.

mod backup;
mod devices;
mod email;
mod enrolment;
mod guessing;
mod races;
mod required;
mod totp;
mod verify;
