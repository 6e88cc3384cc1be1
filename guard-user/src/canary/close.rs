//! Closing a guard that the controller opened: a person's decision, and only where 911 passes.

use guard_common::abi::state::switch;

use super::blind::Blind;
use super::files::{self, Closed};
use super::{Proof, prove};
use crate::kernel::KernelError;
use crate::live::{Live, LiveError};
use crate::watching;

/// What came of it.
#[derive(Debug)]
pub enum Closing {
    /// It was not open.
    WasClosed,
    /// It is closed; whether what was seen could be set aside is told apart.
    Closed(Proof, Result<(), KernelError>),
    /// It stays open: frames that must pass do not.
    Refused(Proof),
    /// It stays open: it cannot be known whether they do.
    Unknown(Blind),
}

/// Closes the guard if the canary holds for what is live.
///
/// # Errors
///
/// If no guard is loaded, or another change does not end.
pub fn close(live: &Live, reason: &str) -> Result<Closing, LiveError> {
    let _lock = live.pins.lock()?;
    let mut switches = live.pins.switches()?;
    if switches.get(switch::OPENED)? == 0 {
        return Ok(Closing::WasClosed);
    }
    let proof = match prove(&live.pins, &live.record()?, &live.effective()?, None) {
        Ok(proof) if proof.holds() => proof,
        Ok(proof) => return Ok(Closing::Refused(proof)),
        Err(blind) => return Ok(Closing::Unknown(blind)),
    };
    switches.set(switch::OPENED, 0)?;
    let closed = Closed { at: files::now(), by: live.audit.by(), reason: reason.to_owned() };
    let aside = files::set_aside(&live.store, closed.clone())
        .and_then(|()| watching::set_aside(&live.store, closed));
    Ok(Closing::Closed(proof, aside))
}
