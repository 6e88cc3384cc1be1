//! One header each: layout, numbers, and a checked reader that takes a packet and an offset.
//!
//! A reader returns `None` if the frame ends before the header does; what the fields say is
//! judged by [`crate::frame`].

pub mod ethernet;
pub mod gre;
pub mod icmp;
pub mod ipv4;
pub mod ipv6;
pub mod mpls;
pub mod port;
pub mod protocol;
pub mod tcp;
pub mod vxlan;
