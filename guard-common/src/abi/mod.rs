//! What crosses the border between kernel and controller, and its version.
//!
//! Rules: `repr(C)`, explicit padding, no `bool`, `Option` or `enum`; sizes and offsets are
//! asserted at compile time; addresses are held in network byte order, everything else in the
//! host's. A change to any type here, or to the numbering in [`crate::reason`], raises
//! [`ABI_VERSION`]: a controller that finds pinned maps of another version touches nothing.

pub mod acl;
pub mod copy;
pub mod party;
pub mod policy;
pub mod sample;
pub mod state;

/// Version of everything in this module. Checked before any pinned map is used again.
pub const ABI_VERSION: u32 = 6;

/// A value that may be copied byte for byte between kernel and controller.
///
/// # Safety
///
/// The type is `repr(C)` or `repr(transparent)`, has no padding that the compiler chose, and
/// every bit pattern is a valid value.
pub unsafe trait Abi: Copy + 'static {}

/// Asserts the size of ABI types at compile time and marks them as [`Abi`].
macro_rules! abi_types {
    ($($type:ty => $size:expr),+ $(,)?) => {
        $(
            const _: () = assert!(core::mem::size_of::<$type>() == $size);
            // SAFETY: repr(C) integers and arrays of them; the assertion above shows that the
            // fields, padding included, add up to the whole size.
            unsafe impl $crate::abi::Abi for $type {}
        )+
    };
}
pub(crate) use abi_types;

// SAFETY: plain integers.
unsafe impl Abi for u32 {}
// SAFETY: plain integers.
unsafe impl Abi for u64 {}
