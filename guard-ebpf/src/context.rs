//! The two places a frame is seen from: XDP, where it comes in, and tc, where it goes out.

use core::ffi::c_void;

use aya_ebpf::EbpfContext;
use aya_ebpf::helpers::generated::{bpf_skb_load_bytes, bpf_xdp_get_buff_len, bpf_xdp_load_bytes};
use aya_ebpf::maps::PerCpuArray;
use aya_ebpf::programs::{TcContext, XdpContext};
use guard_common::abi::state::{Counter, Counters};
use guard_common::memory::opaque;

use crate::maps;

/// What the kernel calls a program with.
pub trait Context: EbpfContext {
    /// Where the directly readable bytes begin.
    fn data(&self) -> usize;
    /// Where they end.
    fn data_end(&self) -> usize;
    /// Length of the whole frame.
    fn length(&self) -> u32;
    /// Copies bytes of the frame, wherever they lie; false, and nothing copied, if it ends before.
    ///
    /// # Safety
    ///
    /// `to` is valid for writes of `length` bytes.
    unsafe fn load(&self, offset: u32, to: *mut c_void, length: u32) -> bool;
    /// A counter of this direction, of this CPU; none if there is no such slot or number.
    fn counter<'a>(slot: u32, number: u32) -> Option<&'a mut Counter>;
}

#[inline(always)]
fn counter<'a, const N: usize>(
    counters: &PerCpuArray<Counters<N>>,
    slot: u32,
    number: u32,
) -> Option<&'a mut Counter> {
    // SAFETY: per-CPU memory, valid for the whole run of the program, which nothing on this CPU
    // interrupts to run it again. The caller holds one of it at a time.
    let Counters { counters } = unsafe { counters.get_ptr_mut(slot)?.as_mut() }?;
    // Opaque keeps the bounds check for the verifier: the compiler knows better.
    counters.get_mut(opaque(u64::from(number)) as usize)
}

impl Context for XdpContext {
    #[inline(always)]
    fn data(&self) -> usize {
        XdpContext::data(self)
    }

    #[inline(always)]
    fn data_end(&self) -> usize {
        XdpContext::data_end(self)
    }

    #[inline(always)]
    fn length(&self) -> u32 {
        // SAFETY: the context is the one the kernel called us with.
        unsafe { bpf_xdp_get_buff_len(self.as_ptr().cast()) as u32 }
    }

    #[inline(always)]
    unsafe fn load(&self, offset: u32, to: *mut c_void, length: u32) -> bool {
        // SAFETY: the context is the kernel's own, the caller vouches for the rest.
        unsafe { bpf_xdp_load_bytes(self.as_ptr().cast(), offset, to, length) == 0 }
    }

    #[inline(always)]
    fn counter<'a>(slot: u32, number: u32) -> Option<&'a mut Counter> {
        counter(&maps::COUNTERS, slot, number)
    }
}

impl Context for TcContext {
    #[inline(always)]
    fn data(&self) -> usize {
        TcContext::data(self)
    }

    #[inline(always)]
    fn data_end(&self) -> usize {
        TcContext::data_end(self)
    }

    #[inline(always)]
    fn length(&self) -> u32 {
        self.len()
    }

    #[inline(always)]
    unsafe fn load(&self, offset: u32, to: *mut c_void, length: u32) -> bool {
        // SAFETY: as for XDP.
        unsafe { bpf_skb_load_bytes(self.as_ptr().cast_const(), offset, to, length) == 0 }
    }

    #[inline(always)]
    fn counter<'a>(slot: u32, number: u32) -> Option<&'a mut Counter> {
        counter(&maps::OUT_COUNTERS, slot, number)
    }
}
