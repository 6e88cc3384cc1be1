//! Traffic for the demo, the tests and the benches, made by the kernel itself: never part of a
//! guard in service.
//!
//! Run with `BPF_PROG_TEST_RUN` and live frames, a program that returns `XDP_TX` makes the
//! kernel send millions of copies of a frame a second out of an interface. [`flood`] gives each
//! copy a source address of its own, [`drawn`] does so before another program looks at a frame that
//! is run again and again; [`floor_pass`] and [`floor_drop`] do nothing and are what
//! every other program is measured against.

#![no_std]
#![no_main]
#![expect(missing_docs, reason = "the xdp macro makes functions without a place for their docs")]

use core::ptr;

use aya_ebpf::bindings::xdp_action::{XDP_DROP, XDP_PASS, XDP_TX};
use aya_ebpf::helpers::generated::bpf_get_prandom_u32;
use aya_ebpf::macros::{map, xdp};
use aya_ebpf::maps::ProgramArray;
use aya_ebpf::programs::XdpContext;

/// Bits of the source address, host byte order, that are drawn anew for each frame; the loader
/// sets it.
#[unsafe(no_mangle)]
static SPOOFED_BITS: u32 = 0;

/// The same of the destination address, for [`drawn`].
#[unsafe(no_mangle)]
static DESTINATION_BITS: u32 = 0;

/// Whom [`drawn`] hands frames to.
#[map]
static NEXT: ProgramArray = ProgramArray::with_max_entries(1, 0);

/// Hardware addresses, the next hop's first, that each frame gets; the loader sets them. All
/// zero: frames keep what they have.
#[unsafe(no_mangle)]
static ADDRESSES: [u32; 3] = [0; 3];

/// Offset of eight bytes that are drawn anew as letters for each frame that is long enough, so
/// that each SIP message can have a Call-ID of its own; the loader sets it. 0: nowhere.
#[unsafe(no_mangle)]
static LETTERS_AT: u32 = 0;

/// Hops each frame may take. The kernel makes the next frame from the memory of one that was
/// delivered, as the last router left it: with its addresses and a hop less.
const HOPS: u8 = 64;

/// Offset of the hop count, and the protocol behind it, in an untagged IPv4 frame.
const HOPS_LEFT: usize = 14 + 8;
/// Offset of the header checksum.
const CHECKSUM: usize = 14 + 10;
/// Offset of the source address.
const SOURCE: usize = 14 + 12;

/// Sends an untagged IPv4 frame back out of the interface, each copy from another source, with
/// all hops before it and a right header checksum, so that the receiver's stack takes it
/// seriously.
#[xdp]
pub fn flood(ctx: XdpContext) -> u32 {
    let data = ctx.data();
    if data + SOURCE + 4 > ctx.data_end() {
        return XDP_DROP;
    }
    // SAFETY: statics that the loader sets before the program runs; volatile, so that the
    // compiler does not take the initial values for granted.
    let (spoofed, addresses, letters_at) = unsafe {
        (
            ptr::read_volatile(&raw const SPOOFED_BITS).to_be(),
            ptr::read_volatile(&raw const ADDRESSES),
            ptr::read_volatile(&raw const LETTERS_AT) as usize,
        )
    };
    // SAFETY: no arguments, no failure.
    let random = unsafe { bpf_get_prandom_u32() };
    // SAFETY: within the frame, as checked above.
    let (hops, checksum, source) = unsafe {
        (
            ptr::read_unaligned((data + HOPS_LEFT) as *const [u8; 2]),
            ptr::read_unaligned((data + CHECKSUM) as *const u16),
            ptr::read_unaligned((data + SOURCE) as *const u32),
        )
    };
    let drawn = (source & !spoofed) | (random & spoofed);
    let all_hops = [HOPS, hops[1]];
    let checksum = updated(
        checksum,
        [half(source, 0), half(source, 1), u16::from_ne_bytes(hops)],
        [half(drawn, 0), half(drawn, 1), u16::from_ne_bytes(all_hops)],
    );
    // SAFETY: within the frame, as checked above.
    unsafe {
        ptr::write_unaligned((data + HOPS_LEFT) as *mut [u8; 2], all_hops);
        ptr::write_unaligned((data + CHECKSUM) as *mut u16, checksum);
        ptr::write_unaligned((data + SOURCE) as *mut u32, drawn);
        if addresses != [0; 3] {
            ptr::write_unaligned(data as *mut [u32; 3], addresses);
        }
    }
    if letters_at != 0 && data + letters_at + 8 <= ctx.data_end() {
        // SAFETY: within the frame, as just checked.
        unsafe { ptr::write_unaligned((data + letters_at) as *mut u64, letters(random)) };
    }
    XDP_TX
}

/// Draws the addresses of an untagged IPv4 frame anew and hands it to the next program. Nobody
/// checks the header checksum here.
#[xdp(frags)]
pub fn drawn(ctx: XdpContext) -> u32 {
    let data = ctx.data();
    if data + SOURCE + 8 > ctx.data_end() {
        return XDP_DROP;
    }
    // SAFETY: as in `flood`.
    let bits = unsafe {
        [
            ptr::read_volatile(&raw const SPOOFED_BITS).to_be(),
            ptr::read_volatile(&raw const DESTINATION_BITS).to_be(),
        ]
    };
    for (place, bits) in [SOURCE, SOURCE + 4].into_iter().zip(bits) {
        // SAFETY: no arguments, no failure.
        let random = unsafe { bpf_get_prandom_u32() };
        let address = (data + place) as *mut u32;
        // SAFETY: within the frame, as checked above.
        unsafe {
            let old = ptr::read_unaligned(address);
            ptr::write_unaligned(address, (old & !bits) | (random & bits));
        }
    }
    // SAFETY: the programs have the same type and context. It leaves for good or fails.
    unsafe { NEXT.tail_call(&ctx, 0) };
    XDP_DROP
}

/// A number as eight letters, one for each four bits.
#[inline(always)]
const fn letters(number: u32) -> u64 {
    let mut spread = number as u64;
    spread = (spread | spread << 16) & 0x0000_ffff_0000_ffff;
    spread = (spread | spread << 8) & 0x00ff_00ff_00ff_00ff;
    spread = (spread | spread << 4) & 0x0f0f_0f0f_0f0f_0f0f;
    spread + u64::from_ne_bytes([b'a'; 8])
}

/// The checksum after the words `old` became `new` (RFC 1624, equation 3).
#[inline(always)]
fn updated(checksum: u16, old: [u16; 3], new: [u16; 3]) -> u16 {
    let mut sum = u32::from(!checksum);
    for word in old {
        sum += u32::from(!word);
    }
    for word in new {
        sum += u32::from(word);
    }
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    !(sum as u16)
}

/// The lower (0) or the upper (1) half.
#[inline(always)]
const fn half(word: u32, which: u32) -> u16 {
    (word >> (16 * which)) as u16
}

/// Passes everything: the floor.
#[xdp(frags)]
pub fn floor_pass(_ctx: XdpContext) -> u32 {
    XDP_PASS
}

/// Drops everything: the floor of dropping.
#[xdp(frags)]
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
