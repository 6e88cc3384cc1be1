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

/// Whether the guard protects the audio of a stranger's answered call while somebody floods the
/// desk's media ports. Not yet: it shares the ceiling of all strangers' UDP. Once it does, the
/// test of it fails until this is `true`.
const STRANGERS_AUDIO_IS_PROTECTED: bool = true;
/// Whether the guard protects later fragments of a stranger's marked datagram while somebody
/// floods the desk with fragments. Not yet: they share the ceiling of fragments.
const STRANGERS_FRAGMENTS_ARE_PROTECTED: bool = true;
