//! A frame in the kernel as a [`Packet`]: the only packet pointers in the project.

use core::arch::asm;
use core::ffi::c_void;
use core::hint::black_box;
use core::ptr;

use aya_ebpf::helpers::generated::bpf_loop;
use guard_common::bytes::{OFFSET_MAX, Packet, Walker};

use crate::context::Context;
use crate::maps::{self, Block};

/// A frame in the driver's memory: its first buffer directly, the rest through the kernel. Where
/// headers are split off, or the first buffer is empty, that rest holds what decides.
///
/// It holds the context and not the two pointers: what the verifier has learnt about a pointer
/// differs on each way through the headers, and pointers that are read anew let those ways meet.
pub struct KernelPacket<'a, C> {
    ctx: &'a C,
}

impl<'a, C: Context> KernelPacket<'a, C> {
    /// The frame of this context.
    #[inline(always)]
    pub const fn new(ctx: &'a C) -> Self {
        Self { ctx }
    }
}

impl<C: Context> Packet for KernelPacket<'_, C> {
    #[inline(always)]
    fn length(&self) -> u32 {
        self.ctx.length()
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

    /// In blocks, each a round of `bpf_loop`: unrolled, a message of 1,500 bytes would cost the
    /// verifier a hundred thousand instructions.
    #[inline(always)]
    fn walk<const N: usize, W: Walker>(&self, offset: u16, length: u32, walker: &mut W) {
        let Some(block) = maps::block() else {
            return;
        };
        block.offset.set(u32::from(offset));
        block.left.set(length);
        let mut walk = Walk { ctx: self.ctx, walker };
        let rounds = length.div_ceil(N as u32);
        let walk: *mut Walk<'_, C, W> = &mut walk;
        // SAFETY: the callback has the signature that `bpf_loop` asks for and gets the pointer to
        // `walk`, which lives until the loop is over.
        unsafe { bpf_loop(rounds, round::<N, C, W> as *mut c_void, walk.cast(), 0) };
    }
}

/// A walk over a part of a frame.
struct Walk<'a, C, W> {
    ctx: &'a C,
    walker: &'a mut W,
}

/// `bpf_loop`: go on.
pub const GO_ON: i64 = 0;
/// `bpf_loop`: leave the loop.
pub const LEAVE: i64 = 1;

/// One block of a walk.
extern "C" fn round<const N: usize, C: Context, W: Walker>(
    _round: u64,
    walk: *mut Walk<'_, C, W>,
) -> i64 {
    // SAFETY: `bpf_loop` hands on the pointer it was given, to a live walk that nobody else uses.
    let Some(walk) = (unsafe { walk.as_mut() }) else {
        return LEAVE;
    };
    let Some(Block { bytes, offset, left }) = maps::block() else {
        return LEAVE;
    };
    let Some(block) = bytes.first_chunk_mut::<N>() else {
        return LEAVE;
    };
    let (begin, count) = (offset.get(), left.get());
    if count >= N as u32 {
        let Some(read) = KernelPacket::new(walk.ctx).read::<N>(begin as usize) else {
            return LEAVE;
        };
        *block = read;
    } else {
        block.fill(0);
        // Before Linux 6.8 the verifier learns nothing from `count == 0`, but it can add one. The
        // black box has it look at the register that is checked.
        let less_one = black_box(count.wrapping_sub(1));
        if less_one >= N as u32 - 1 {
            return LEAVE;
        }
        // SAFETY: the block is per-CPU memory of `N` bytes, and `count` is less.
        if !unsafe { walk.ctx.load(begin, block.as_mut_ptr().cast(), less_one + 1) } {
            return LEAVE;
        }
    }
    if walk.walker.bytes(block).is_break() {
        return LEAVE;
    }
    offset.set(begin + N as u32);
    left.set(count.saturating_sub(N as u32));
    GO_ON
}

/// Bytes on the stack, where the verifier wants words aligned.
#[repr(C, align(8))]
struct Aligned<const N: usize>([u8; N]);

/// Copies `N` bytes that the first buffer does not hold whole; false if the frame ends before.
#[inline(never)]
fn load<C: Context, const N: usize>(ctx: &C, offset: usize, bytes: &mut Aligned<N>) -> bool {
    // SAFETY: the buffer is ours and `N` bytes long.
    unsafe { ctx.load(offset as u32, bytes.0.as_mut_ptr().cast(), N as u32) }
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
