//! Takes back what nobody confirms in time.

use guard_user::live::{Live, Overdue};
use tracing::{error, warn};

/// Takes back, or opens, what nobody confirmed in time.
pub fn look_at_deadline(live: &Live) {
    if !live.is_overdue().unwrap_or(false) {
        return;
    }
    match live.take_back_overdue() {
        Ok(Some(Overdue::RolledBack(to))) => {
            warn!("nobody confirmed the change: back to what was made at {}", to.at);
        }
        Ok(Some(Overdue::Opened(why))) => {
            error!("nobody confirmed the change; the guard is OPEN until somebody does: {why}");
        }
        Ok(Some(Overdue::Lifted) | None) => {}
        Err(error) => error!("nobody confirmed the change, and it cannot be taken back: {error}"),
    }
}
