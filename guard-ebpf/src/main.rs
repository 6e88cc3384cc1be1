//! The kernel half of the guard: an XDP program that hands frames to `guard-common` and does
//! what it says. No decision is made here.

#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]
#![expect(missing_docs, reason = "the macros make items without a place for their docs")]

mod context;
mod copies;
mod label;
mod maps;
mod packet;
mod samples;
mod tables;

use aya_ebpf::bindings::xdp_action::{XDP_DROP, XDP_PASS};
use aya_ebpf::macros::{classifier, xdp};
use aya_ebpf::programs::{TcContext, XdpContext};
use guard_common::guard;
use guard_common::verdict::Verdict;

use crate::packet::KernelPacket;
use crate::tables::KernelTables;

/// One frame that comes in. Every verdict but `Drop` passes; there is no error path.
#[xdp(frags)]
pub fn guard_xdp(ctx: XdpContext) -> u32 {
    let Some(scratch) = maps::scratch() else {
        return XDP_PASS;
    };
    let tables = KernelTables::new(&ctx);
    let interface = ctx.ingress_ifindex() as u32;
    let judgement = guard::process(&KernelPacket::new(&ctx), &tables, scratch, interface);
    match judgement.verdict {
        Verdict::Drop => XDP_DROP,
        Verdict::Pass => {
            if judgement.reason.is_labelled() {
                label::put(&ctx);
            }
            XDP_PASS
        }
    }
}

/// `TC_ACT_UNSPEC`: whatever the next program, or nobody, says.
const NEXT: i32 = -1;

/// One frame that goes out. It is watched, and goes on whatever is found out.
#[classifier]
pub fn guard_out(ctx: TcContext) -> i32 {
    if let Some(scratch) = maps::scratch() {
        guard::observe(&KernelPacket::new(&ctx), &KernelTables::new(&ctx), scratch);
    }
    NEXT
}

/// One frame that came in: what XDP labelled gets its mark and priority.
#[classifier]
pub fn guard_label(ctx: TcContext) -> i32 {
    label::take(&ctx);
    NEXT
}

/// Never reached: the linker removes every path that could panic, and the verifier would refuse
/// a program in which one was left.
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// Several helpers of the kernel are only for programs with a GPL-compatible licence.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
