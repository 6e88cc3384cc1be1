//! Shared parts of the tests, the demo and the benches: packet builder, fixtures, private guards,
//! network namespaces, floods, SIP peers.

pub mod fixtures;
pub mod flood;
pub mod netns;
pub mod packet;
pub mod privilege;
pub mod sip;
