//! Writing copies of signalling into a ring.

use aya_ebpf::maps::RingBuf;
use guard_common::abi::copy::{COPY_BYTES, COPY_RECORDS, CopyHeader, CopyRecord};
use guard_common::bytes::OFFSET_MAX;

use crate::context::Context;

/// Writes the frame's payload into as many records as it needs; false if one found no room.
#[inline(always)]
pub fn write<C: Context>(ctx: &C, ring: &RingBuf, header: &CopyHeader, payload: usize) -> bool {
    for number in 0..COPY_RECORDS {
        let offset = number * COPY_BYTES as u32;
        if offset >= header.payload_length {
            break;
        }
        let length = (header.payload_length - offset).min(COPY_BYTES as u32);
        let piece = CopyHeader { offset, length, ..*header };
        if !write_piece(ctx, ring, &piece, payload & OFFSET_MAX) {
            return false;
        }
    }
    true
}

/// Writes one record. A frame that ends before its headers say leaves none.
#[inline(never)]
fn write_piece<C: Context>(
    ctx: &C,
    ring: &RingBuf,
    piece: &CopyHeader,
    payload: usize,
) -> bool {
    let Some(mut record) = ring.reserve::<CopyRecord>(0) else {
        return false;
    };
    let place: *mut CopyRecord = record.as_mut_ptr();
    let length = piece.length.min(COPY_BYTES as u32);
    // SAFETY: the record is ours until it is submitted; header and bytes lie within it, and
    // `length` is no more than the bytes there are.
    let whole = unsafe {
        (&raw mut (*place).header).write(*piece);
        let to = (&raw mut (*place).bytes).cast();
        length != 0 && ctx.load(payload as u32 + piece.offset, to, length)
    };
    if whole {
        record.submit(0);
    } else {
        record.discard(0);
    }
    true
}
