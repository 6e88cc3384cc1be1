//! Shared parts of the tests, the demo and the benches: packet builder, fixtures, private guards,
//! network namespaces, floods, SIP peers, whole calls, and an oracle that knows what an emergency
//! is.

pub mod bench;
pub mod calls;
pub mod captures;
pub mod debian;
pub mod demo;
pub mod faults;
pub mod fixtures;
pub mod flood;
pub mod guard_process;
pub mod netns;
pub mod oracle;
pub mod packages;
pub mod packet;
pub mod privilege;
pub mod sip;
pub mod strace;
pub mod svg;
pub mod terminal;
pub mod tunnels;
