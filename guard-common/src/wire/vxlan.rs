//! VXLAN (RFC 7348): flags, network identifier, then an Ethernet frame.

/// Length of the header behind that of UDP.
pub const HEADER: usize = 8;
