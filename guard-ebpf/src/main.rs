//! The kernel half of the guard: an XDP program that hands frames to `guard-common` and does
//! what it says. No decision is made here.

#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]
#![expect(missing_docs, reason = "the macros make items without a place for their docs")]

mod clock;
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
use guard_common::guard::{self, Sight};
use guard_common::verdict::{Judgement, Verdict};

use crate::packet::KernelPacket;
use crate::tables::KernelTables;

/// One frame that comes in. Every verdict but `Drop` passes; there is no error path.
#[xdp(frags)]
pub fn guard_xdp(ctx: XdpContext) -> u32 {
    let Some(scratch) = maps::scratch() else {
        return XDP_PASS;
    };
    let (packet, tables) = (KernelPacket::new(&ctx), KernelTables::new(&ctx));
    let interface = ctx.ingress_ifindex() as u32;
    if guard::look(&packet, &tables, scratch, interface) == Sight::Tunnel {
        // Returns only where there is no program for the inside. Then the tunnel passes.
        maps::inside(&maps::INSIDE, &ctx);
    }
    act(&ctx, guard::decide(&packet, &tables, scratch))
}

/// The inside of a tunnel's frame that came in, after [`guard_xdp`] found out where it begins.
#[xdp(frags)]
pub fn guard_inside(ctx: XdpContext) -> u32 {
    let Some(scratch) = maps::scratch() else {
        return XDP_PASS;
    };
    let (packet, tables) = (KernelPacket::new(&ctx), KernelTables::new(&ctx));
    guard::look_inside(&packet, &tables, scratch, ctx.ingress_ifindex() as u32);
    act(&ctx, guard::decide(&packet, &tables, scratch))
}

#[inline(always)]
fn act(ctx: &XdpContext, judgement: Judgement) -> u32 {
    match judgement.verdict {
        Verdict::Drop => XDP_DROP,
        Verdict::Pass => {
            if judgement.reason.is_labelled() {
                label::put(ctx);
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
        let tables = KernelTables::new(&ctx);
        if guard::look_out(&KernelPacket::new(&ctx), &tables, scratch) == Sight::Tunnel {
            maps::inside(&maps::OUT_INSIDE, &ctx);
        }
        guard::note(&tables, scratch);
    }
    NEXT
}

/// The inside of a tunnel's frame that goes out.
#[classifier]
pub fn guard_out_inside(ctx: TcContext) -> i32 {
    if let Some(scratch) = maps::scratch() {
        let tables = KernelTables::new(&ctx);
        guard::look_out_inside(&KernelPacket::new(&ctx), &tables, scratch);
        guard::note(&tables, scratch);
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
