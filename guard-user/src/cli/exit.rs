//! Exit codes: fixed, for scripts and monitoring.

use std::process::ExitCode;

use guard_user::canary::Blind;
use guard_user::config::ConfigError;
use guard_user::kernel::KernelError;
use guard_user::live::LiveError;

/// For `--help`.
pub const HELP: &str = "Exit codes: 0 done, 1 failed, 2 wrong arguments, 3 wrong configuration, \
    4 no guard loaded, 5 not permitted, 6 interface or lock held by somebody else, 7 refused by \
    the kernel or of another version, 8 refused by a gate, 9 there are differences (`diff`, \
    `replay --config`)";

const FAILED: u8 = 1;
const USAGE: u8 = 2;
const CONFIGURATION: u8 = 3;
const NOT_LOADED: u8 = 4;
const NOT_PERMITTED: u8 = 5;
const OCCUPIED: u8 = 6;
const REFUSED: u8 = 7;
const GATE: u8 = 8;
/// What `guard diff` and `guard replay` answer where a file would change something.
pub const DIFFERS: u8 = 9;

/// An argument that clap could not know to be wrong.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// What `guard doctor` answers where something failed.
pub fn failed() -> ExitCode {
    ExitCode::from(FAILED)
}

/// The exit code of an error.
pub fn code(error: &anyhow::Error) -> ExitCode {
    ExitCode::from(number(error))
}

fn number(error: &anyhow::Error) -> u8 {
    if error.is::<Usage>() {
        return USAGE;
    }
    if error.is::<ConfigError>() {
        return CONFIGURATION;
    }
    match (error.downcast_ref::<LiveError>(), error.downcast_ref::<KernelError>()) {
        (Some(LiveError::Config(_)), _) => CONFIGURATION,
        (Some(LiveError::Gate(_)), _) => GATE,
        (Some(LiveError::Kernel(error)), _) | (None, Some(error)) => kernel(error),
        (Some(LiveError::Order { .. }), _) => FAILED,
        (None, None) => match error.downcast_ref::<Blind>() {
            Some(Blind::Kernel(error)) => kernel(error),
            Some(Blind::OtherBuild { .. }) => REFUSED,
            _ => FAILED,
        },
    }
}

const fn kernel(error: &KernelError) -> u8 {
    match error {
        KernelError::NotPermitted { .. } => NOT_PERMITTED,
        KernelError::NotLoaded { .. } => NOT_LOADED,
        KernelError::NoInterface { .. } => CONFIGURATION,
        KernelError::Occupied { .. } | KernelError::Locked { .. } => OCCUPIED,
        KernelError::Load { .. }
        | KernelError::OtherAbi { .. }
        | KernelError::Attach { .. }
        | KernelError::Unsettled { .. } => REFUSED,
        KernelError::Map { .. } | KernelError::Path { .. } | KernelError::Full { .. } => FAILED,
    }
}
