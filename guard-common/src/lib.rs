//! The brain of the guard: everything that decides about a frame.
//!
//! One shape, one module each: [`frame`] parses, [`classify`] says what the frame is,
//! [`bucket`] holds the limits, [`verdict`] is the only place that can say "drop", and
//! [`guard`] strings them together and counts the result.
//!
//! The crate is `no_std`, allocates nothing and knows neither BPF nor Linux. It reads packets
//! through [`bytes::Packet`] and tables through [`tables::Tables`]; the kernel half implements
//! both over XDP memory and BPF maps, the host model over slices and hash maps. So the same
//! code is tested on the host and runs at the NIC.

#![cfg_attr(not(test), no_std)]
#![cfg_attr(target_arch = "bpf", feature(asm_experimental_arch))]

pub mod abi;
pub mod address;
pub mod bucket;
pub mod bytes;
pub mod class;
pub mod classify;
pub mod copy;
pub mod frame;
pub mod guard;
pub mod hash;
pub mod index;
pub mod inside;
pub mod leaving;
pub mod limit;
pub mod memory;
pub mod pins;
pub mod prefix;
pub mod reason;
pub mod sample;
pub mod sip;
pub mod tables;
pub mod verdict;
pub mod wire;
