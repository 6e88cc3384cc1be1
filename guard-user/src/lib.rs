//! The controller of the guard as a library: every verb works through it, with or without the
//! daemon.

pub mod config;
pub mod policy;
