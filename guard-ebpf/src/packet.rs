//! XDP memory as a [`Packet`]: the only packet pointers in the project.

use core::arch::asm;
use core::ptr;

use aya_ebpf::EbpfContext as _;
use aya_ebpf::helpers::generated::{bpf_xdp_get_buff_len, bpf_xdp_load_bytes};
use aya_ebpf::programs::XdpContext;
use guard_common::bytes::{OFFSET_MAX, Packet};

/// A frame in the driver's memory: its first buffer directly, the rest through the kernel. Where
/// headers are split off, or the first buffer is empty, that rest holds what decides.
///
/// It holds the context and not the two pointers: what the verifier has learnt about a pointer
/// differs on each way through the headers, and pointers that are read anew let those ways meet.
pub struct XdpPacket<'a> {
    ctx: &'a XdpContext,
}

impl<'a> XdpPacket<'a> {
    /// The frame of this context.
    #[inline(always)]
    pub const fn new(ctx: &'a XdpContext) -> Self {
        Self { ctx }
    }
}

impl Packet for XdpPacket<'_> {
    #[inline(always)]
    fn length(&self) -> u32 {
        // SAFETY: the context is the one the kernel called us with.
        unsafe { bpf_xdp_get_buff_len(self.ctx.as_ptr().cast()) as u32 }
    }

    #[inline(always)]
    fn first_buffer(&self) -> u32 {
        (self.ctx.data_end() - self.ctx.data()) as u32
    }

    #[inline(always)]
    fn read<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        if offset > OFFSET_MAX {
            return None;
        }
        let start = self.ctx.data() + offset;
        if plus::<N>(start) > self.ctx.data_end() {
            let mut bytes = Aligned([0; N]);
            return load(self.ctx, offset, &mut bytes).then_some(bytes.0);
        }
        // SAFETY: `start..start + N` lies between `data` and `data_end`, as just checked, and the
        // verifier checks it again. Packets have no alignment, hence the unaligned read.
        Some(unsafe { ptr::read_unaligned(start as *const [u8; N]) })
    }
}

/// Bytes on the stack, where the verifier wants words aligned.
#[repr(C, align(8))]
struct Aligned<const N: usize>([u8; N]);

/// Copies `N` bytes that the first buffer does not hold whole; false if the frame ends before.
#[inline(never)]
fn load<const N: usize>(ctx: &XdpContext, offset: usize, bytes: &mut Aligned<N>) -> bool {
    let to = bytes.0.as_mut_ptr().cast();
    // SAFETY: the context is the kernel's own, the buffer is ours and `N` bytes long. The kernel
    // checks that the frame is long enough, and copies nothing if it is not.
    unsafe { bpf_xdp_load_bytes(ctx.as_ptr().cast(), offset as u32, to, N as u32) == 0 }
}

/// `start + N`, by an instruction the compiler cannot look into: it would turn
/// `start + 1 > end` into `start >= end`, from which the verifier does not learn that there is a
/// byte to read.
#[inline(always)]
fn plus<const N: usize>(mut start: usize) -> usize {
    // SAFETY: one addition of a constant.
    unsafe { asm!("{0} += {1}", inout(reg) start, const N, options(pure, nomem, nostack)) };
    start
}
