//! What keeps the canary from knowing, and what to do about it.

use thiserror::Error;

use crate::kernel::KernelError;

/// Why nothing can be proved: no sign that calls fail, and no sign that they pass.
#[derive(Debug, Error)]
pub enum Blind {
    /// The kernel or the files do not let us.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// What is live was built otherwise.
    #[error(
        "the program of generation {generation} is of another build than this binary (tags {live:016x} \
         and {ours:016x}): its copy would prove nothing\n  next: `systemctl restart guard` swaps \
         the program without a gap"
    )]
    OtherBuild {
        /// The generation.
        generation: u64,
        /// Tag of its program.
        live: u64,
        /// Tag of the program in this binary.
        ours: u64,
    },
    /// All addresses that nobody should have are somebody's.
    #[error(
        "no address of the ranges for benchmarks and documentation is free to play a stranger: \
         entries cover all that were tried\n  next: shorten the entries around 198.18.0.0/15 \
         and 2001:2::/48"
    )]
    NoStranger,
    /// Nothing is guarded, as configured.
    #[error(
        "no interface is configured, so there is nothing to prove\n  next: write one into the \
         configuration and `guard apply` it"
    )]
    Nothing,
    /// Nothing can come in.
    #[error(
        "none of the configured interfaces is there as the policy knows it\n  next: see \
         `ip link` and `guard status`; the daemon takes them up again when they return"
    )]
    NoInterface,
    /// There is nobody to call.
    #[error("no PSAP, site or element is configured\n  next: add one with `guard psap add`")]
    NoTarget,
    /// The control frame was not dropped.
    #[error(
        "a frame that nothing protects passed the private copy ({reason}): it could not show a \
         failure\n  next: report this with `guard status --json` and the configuration"
    )]
    NoControl {
        /// What it was counted as.
        reason: &'static str,
    },
}
