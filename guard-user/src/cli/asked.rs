//! The way of those who are on call and may not touch the pins: the daemon does it for them.

use std::io::ErrorKind;

use anyhow::{Result, anyhow};
use guard_user::control::{self, Answer, Request};
use guard_user::live::{Live, LiveError};

/// What the daemon did.
pub struct Done {
    /// What it could not note.
    pub unnoted: Option<String>,
    /// What is so now.
    pub said: Option<String>,
}

/// Asks the daemon for what the kernel refused.
pub fn daemon(live: &Live, request: &Request, refused: LiveError) -> Result<Done> {
    match control::ask(&control::socket(live.store.path()), request) {
        Ok(Answer::Done { unnoted, said }) => Ok(Done { unnoted, said }),
        Ok(Answer::Refused { error }) => Err(anyhow!(
            "the daemon refuses: {error}\n  next: run as root, or ask for what it allows"
        )),
        // No socket, no daemon, or not in the group: what the kernel said is what counts.
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::NotFound | ErrorKind::ConnectionRefused | ErrorKind::PermissionDenied
            ) =>
        {
            Err(refused.into())
        }
        Err(error) => Err(anyhow!(
            "the daemon gives no answer: {error}\n  next: `guard status` says whether it was done; \
             root needs no daemon for it"
        )),
    }
}
