//! Bounds-checked reads of a packet: the first of the two traits behind which memory hides.

use core::ops::ControlFlow;

/// Largest block of a walk.
pub const BLOCK_MAX: usize = 64;

/// Largest offset anything is read from. The verifier wants a bound on packet offsets; the
/// longest chain of headers that the parser follows ends far below it.
pub const OFFSET_MAX: usize = 0x3fff;

/// What looks at bytes one block after the other.
pub trait Walker {
    /// Looks at the next block; whether it wants more.
    fn bytes<const N: usize>(&mut self, bytes: &[u8; N]) -> ControlFlow<()>;
}

/// A frame as the network card delivered it, beginning with the Ethernet header.
pub trait Packet {
    /// Length of the whole frame in bytes, parts beyond the first buffer included.
    fn length(&self) -> u32;

    /// Length of the first buffer: the whole frame, where it has only one. Costs nothing.
    fn first_buffer(&self) -> u32 {
        self.length()
    }

    /// `N` bytes from `offset`; `None` if the frame, or [`OFFSET_MAX`], ends before.
    fn read<const N: usize>(&self, offset: usize) -> Option<[u8; N]>;

    /// Shows a walker the `length` bytes from `offset` in blocks of `N`, at most [`BLOCK_MAX`],
    /// the last filled up with zeros; as far as the frame has them.
    fn walk<const N: usize, W: Walker>(&self, offset: u16, length: u32, walker: &mut W);

    /// One byte.
    #[inline(always)]
    fn u8(&self, offset: usize) -> Option<u8> {
        let [byte] = self.read::<1>(offset)?;
        Some(byte)
    }

    /// A big-endian 16-bit number.
    #[inline(always)]
    fn u16(&self, offset: usize) -> Option<u16> {
        Some(u16::from_be_bytes(self.read(offset)?))
    }
}

/// A frame in ordinary memory: the host model, tests, captures.
impl Packet for &[u8] {
    fn length(&self) -> u32 {
        u32::try_from(self.len()).unwrap_or(u32::MAX)
    }

    fn read<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        if offset > OFFSET_MAX {
            return None;
        }
        self.get(offset..)?.first_chunk().copied()
    }

    fn walk<const N: usize, W: Walker>(&self, offset: u16, length: u32, walker: &mut W) {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let bytes = self.get(usize::from(offset)..).unwrap_or_default();
        for piece in bytes.get(..length).unwrap_or(bytes).chunks(N) {
            let mut block = [0; N];
            for (to, from) in block.iter_mut().zip(piece) {
                *to = *from;
            }
            if walker.bytes(&block).is_break() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_end_with_the_frame() {
        let frame: &[u8] = &[1, 2, 3];
        assert_eq!(frame.read::<3>(0), Some([1, 2, 3]));
        assert_eq!(frame.read::<1>(3), None);
        assert_eq!(frame.u16(1), Some(0x0203));
        assert_eq!(frame.u16(2), None);
        assert_eq!(frame.u8(usize::MAX), None);
    }
}
