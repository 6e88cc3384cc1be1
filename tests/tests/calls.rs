//! Whole calls through a guarded router, by software that others made: sipp calls and answers,
//! Kamailio routes. Set-up, audio both ways with every lost packet counted, hold, transfer, BYE,
//! over UDP and TCP, from a carrier that is configured and a stranger whom only the marker
//! protects, with and without floods.

#![expect(clippy::unwrap_used, reason = "a failed test may panic")]

#[path = "calls/esrp.rs"]
mod esrp;
#[path = "calls/flooded.rs"]
mod flooded;
#[path = "calls/large.rs"]
mod large;
#[path = "calls/methods.rs"]
mod methods;
#[path = "calls/others.rs"]
mod others;
#[path = "calls/scene.rs"]
mod scene;
#[path = "calls/whole.rs"]
mod whole;
