//! Writing copies of signalling into a ring.

use core::ffi::c_void;
use core::hint::black_box;

use aya_ebpf::helpers::generated::bpf_loop;
use aya_ebpf::maps::RingBuf;
use guard_common::abi::copy::{COPY_BYTES, COPY_RECORDS, CopyHeader, CopyRecord};
use guard_common::bytes::OFFSET_MAX;

use crate::context::Context;
use crate::packet::{GO_ON, LEAVE};

/// A copy that is being written.
struct Writer<'a, C> {
    ctx: &'a C,
    ring: &'a RingBuf,
    header: &'a CopyHeader,
    payload: u32,
    is_lost: u32,
}

/// Writes the frame's payload into as many records as it needs; false if one found no room.
///
/// By `bpf_loop`: unrolled, six records cost the verifier thirty thousand instructions.
#[inline(always)]
pub fn write<C: Context>(ctx: &C, ring: &RingBuf, header: &CopyHeader, payload: usize) -> bool {
    let payload = (payload & OFFSET_MAX) as u32;
    let mut writer = Writer { ctx, ring, header, payload, is_lost: 0 };
    let to: *mut Writer<'_, C> = &mut writer;
    let records = header.payload_length.div_ceil(COPY_BYTES as u32).min(COPY_RECORDS);
    // SAFETY: the callback has the signature that `bpf_loop` asks for and gets the pointer to
    // `writer`, which lives until the loop is over.
    unsafe { bpf_loop(records, write_record::<C> as *mut c_void, to.cast(), 0) };
    writer.is_lost == 0
}

/// Writes one record. A frame that ends before its headers say leaves none.
extern "C" fn write_record<C: Context>(number: u64, writer: *mut Writer<'_, C>) -> i64 {
    // SAFETY: `bpf_loop` hands on the pointer it was given, to a live writer nobody else uses.
    let Some(writer) = (unsafe { writer.as_mut() }) else {
        return LEAVE;
    };
    let offset = (number as u32 & 7) * COPY_BYTES as u32;
    let left = writer.header.payload_length.saturating_sub(offset);
    let length = if left < COPY_BYTES as u32 { left } else { COPY_BYTES as u32 };
    // Before Linux 6.8 the verifier learns nothing from `length != 0`, but it can add one. The
    // black box has it look at the register that is checked.
    let less_one = black_box(length.wrapping_sub(1));
    let Some(mut record) = writer.ring.reserve::<CopyRecord>(0) else {
        writer.is_lost = 1;
        return LEAVE;
    };
    let place: *mut CopyRecord = record.as_mut_ptr();
    // SAFETY: the record is ours until it is submitted; header and bytes lie within it, and
    // what is loaded no more than the bytes there are.
    let is_whole = unsafe {
        (&raw mut (*place).header).write(CopyHeader { offset, length, ..*writer.header });
        let to = (&raw mut (*place).bytes).cast();
        less_one < COPY_BYTES as u32 && writer.ctx.load(writer.payload + offset, to, less_one + 1)
    };
    if is_whole {
        record.submit(0);
    } else {
        record.discard(0);
    }
    GO_ON
}
