//! Values that make a detour through memory.
//!
//! The verifier follows a program once for each state it can be in, and a known constant in a
//! register is part of that state. Of what lies in a map it knows nothing. So what a step has
//! found out is written to map memory and read back, and what comes next is followed once and not
//! once for each of a hundred ways to get there (measured for the whole program: 400,000
//! instructions without, see the `verifier` test with).

/// A value that really goes to memory and comes from there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub struct Word<V>(V);

impl<V: Copy> Word<V> {
    /// A word with this value.
    #[must_use]
    #[inline(always)]
    pub const fn new(value: V) -> Self {
        Self(value)
    }

    /// Writes it.
    #[inline(always)]
    pub fn set(&mut self, value: V) {
        // SAFETY: a live, aligned reference.
        unsafe { (&raw mut self.0).write_volatile(value) }
    }

    /// Reads it.
    #[inline(always)]
    pub fn get(&self) -> V {
        // SAFETY: a live, aligned reference.
        unsafe { (&raw const self.0).read_volatile() }
    }

    /// The value, by way of memory.
    #[inline(always)]
    pub fn through(&mut self, value: V) -> V {
        self.set(value);
        self.get()
    }
}

/// The same number, of which the compiler knows nothing from here on: it neither drops the check of
/// a bound that the verifier wants, nor takes a word apart into bytes.
///
/// In a register, unlike [`core::hint::black_box`], which goes by the stack and stays where the
/// verifier has to forget as well: on the way of a frame that brought two nanoseconds.
#[must_use]
#[inline(always)]
pub fn opaque(number: u64) -> u64 {
    #[cfg(target_arch = "bpf")]
    {
        let mut number = number;
        // SAFETY: moves a register to itself. Nothing at all would do, but then two lines of the
        // source would be one instruction, which the kernel does not take.
        unsafe {
            core::arch::asm!("{0} = {0}", inout(reg) number, options(pure, nomem, nostack));
        }
        number
    }
    #[cfg(not(target_arch = "bpf"))]
    {
        number
    }
}
