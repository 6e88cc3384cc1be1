//! The controller of the guard as a library: every verb works through it, with or without the
//! daemon.
//!
//! [`config`] is what an operator may write, [`policy`] translates it into tables, [`kernel`]
//! brings those into the kernel, [`canary`] proves that 911 passes, [`store`] is what survives on
//! disk, and [`live`] strings them together into changes that are all or nothing.

pub mod audit;
pub mod background;
pub mod calls;
pub mod canary;
pub mod capture;
pub mod config;
pub mod control;
pub mod counted;
pub mod diff;
pub mod doctor;
pub mod drops;
pub mod explain;
pub mod gates;
pub mod heartbeat;
pub mod kernel;
pub mod live;
pub mod logging;
pub mod metrics;
pub mod notify;
pub mod policy;
pub mod recorded;
pub mod registry;
pub mod replay;
pub mod report;
pub mod store;
pub mod trial;
pub mod watching;
