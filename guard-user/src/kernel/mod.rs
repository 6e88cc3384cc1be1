//! The controller's side of the kernel: the object, the maps, the pins, the interfaces.
//!
//! Everything here works without the daemon. Nothing here decides about frames; that is
//! `guard-common`'s business.

pub mod acl;
pub mod clock;
pub mod device;
pub mod error;
pub mod filter;
pub mod interface;
pub mod load;
pub mod lock;
pub mod neighbour;
pub mod netdev;
pub mod netlink;
pub mod object;
pub mod owner;
pub mod parties;
pub mod pins;
pub mod private;
pub mod state;
pub mod table;
pub mod tc;
pub mod wire;

pub use error::KernelError;
