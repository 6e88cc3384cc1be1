//! Traffic for the demo, the tests and the benches, made by the kernel itself: never part of a
//! guard in service.
//!
//! Run with `BPF_PROG_TEST_RUN` and live frames, a program that returns `XDP_TX` makes the
//! kernel send millions of copies of a frame a second out of an interface. [`flood`] gives each
//! copy a source address of its own; [`floor_pass`] and [`floor_drop`] do nothing and are what
//! every other program is measured against.

#![no_std]
#![no_main]
#![expect(missing_docs, reason = "the xdp macro makes functions without a place for their docs")]

use core::ptr;

use aya_ebpf::bindings::xdp_action::{XDP_DROP, XDP_PASS, XDP_TX};
use aya_ebpf::helpers::generated::bpf_get_prandom_u32;
use aya_ebpf::macros::xdp;
use aya_ebpf::programs::XdpContext;

/// Bits of the source address, host byte order, that are drawn anew for each frame; the loader
/// sets it.
#[unsafe(no_mangle)]
static SPOOFED_BITS: u32 = 0;

/// Offset of the header checksum in an untagged IPv4 frame.
const CHECKSUM: usize = 14 + 10;
/// Offset of the source address.
const SOURCE: usize = 14 + 12;

/// Sends an untagged IPv4 frame back out of the interface, each copy from another source and
/// with a right header checksum, so that the receiver's stack takes it seriously.
#[xdp]
pub fn flood(ctx: XdpContext) -> u32 {
    let data = ctx.data();
    if data + SOURCE + 4 > ctx.data_end() {
        return XDP_DROP;
    }
    // SAFETY: a static that the loader sets before the program runs; volatile, so that the
    // compiler does not take the initial value for granted.
    let spoofed = unsafe { ptr::read_volatile(&raw const SPOOFED_BITS) }.to_be();
    // SAFETY: no arguments, no failure.
    let random = unsafe { bpf_get_prandom_u32() };
    // SAFETY: within the frame, as checked above.
    let (checksum, source) = unsafe {
        (
            ptr::read_unaligned((data + CHECKSUM) as *const u16),
            ptr::read_unaligned((data + SOURCE) as *const u32),
        )
    };
    let drawn = (source & !spoofed) | (random & spoofed);
    // SAFETY: within the frame, as checked above.
    unsafe {
        ptr::write_unaligned((data + SOURCE) as *mut u32, drawn);
        ptr::write_unaligned((data + CHECKSUM) as *mut u16, updated(checksum, source, drawn));
    }
    XDP_TX
}

/// The checksum after `old` became `new` (RFC 1624, equation 3).
#[inline(always)]
fn updated(checksum: u16, old: u32, new: u32) -> u16 {
    let sum = u32::from(!checksum)
        + u32::from(!(old as u16))
        + u32::from(!((old >> 16) as u16))
        + u32::from(new as u16)
        + u32::from((new >> 16) as u16);
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    !(sum as u16)
}

/// Passes everything: the floor.
#[xdp]
pub fn floor_pass(_ctx: XdpContext) -> u32 {
    XDP_PASS
}

/// Drops everything: the floor of dropping.
#[xdp]
pub fn floor_drop(_ctx: XdpContext) -> u32 {
    XDP_DROP
}

/// Never reached.
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// See the kernel half.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
