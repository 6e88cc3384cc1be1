//! ABI types as aya wants them.

use guard_common::abi::Abi;

/// An ABI value on its way into or out of a map.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct Wire<T: Abi>(pub T);

// SAFETY: `Abi` promises what `Pod` asks for: no hidden padding, every bit pattern valid.
unsafe impl<T: Abi> aya::Pod for Wire<T> {}
