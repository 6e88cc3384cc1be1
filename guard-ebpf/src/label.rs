//! The label of marked messages from strangers: XDP puts it in front of the frame, a tc program
//! turns it into the mark and priority that queues understand.

use core::mem::size_of;

use aya_ebpf::EbpfContext as _;
use aya_ebpf::helpers::generated::bpf_xdp_adjust_meta;
use aya_ebpf::programs::{TcContext, XdpContext};

/// What the label is known by: `911` and a version.
const LABEL: u32 = 0x0911_0001;

/// Mark of labelled frames, for nftables and tc filters; 0 sets none. Set when loaded.
#[unsafe(no_mangle)]
static LABEL_MARK: u32 = 0;
/// Priority of labelled frames, for queueing disciplines; 0 sets none. Set when loaded.
#[unsafe(no_mangle)]
static LABEL_PRIORITY: u32 = 0;

/// The mark and priority that labelled frames get; both 0 where nothing is labelled.
#[inline(always)]
fn wanted() -> (u32, u32) {
    // SAFETY: constants that the loader has set; volatile, so that the compiler does not take
    // them for what they are here. The verifier does, and takes out what is not used.
    unsafe {
        ((&raw const LABEL_MARK).read_volatile(), (&raw const LABEL_PRIORITY).read_volatile())
    }
}

/// Labels a frame, if frames are labelled. A driver without room for it leaves the frame without
/// a label.
#[inline(always)]
pub fn put(ctx: &XdpContext) {
    if wanted() == (0, 0) {
        return;
    }
    // SAFETY: the context is the kernel's own.
    if unsafe { bpf_xdp_adjust_meta(ctx.as_ptr().cast(), -(size_of::<u32>() as i32)) } != 0 {
        return;
    }
    let (start, end) = (ctx.metadata(), ctx.metadata_end());
    if start + size_of::<u32>() <= end {
        // SAFETY: the four bytes lie between the metadata's begin and end, as just checked.
        unsafe { (start as *mut u32).write(LABEL) };
    }
}

/// Turns a label into mark and priority.
#[inline(always)]
pub fn take(ctx: &TcContext) {
    // SAFETY: the context is the kernel's own, and lives as long as this call.
    let skb = unsafe { &mut *ctx.skb.skb };
    let (start, end) = (skb.data_meta as usize, skb.data as usize);
    if start + size_of::<u32>() > end {
        return;
    }
    // SAFETY: the four bytes lie between the metadata's begin and end, as just checked.
    if unsafe { (start as *const u32).read() } != LABEL {
        return;
    }
    let (mark, priority) = wanted();
    if mark != 0 {
        skb.mark = mark;
    }
    if priority != 0 {
        skb.priority = priority;
    }
}
