//! Ends a bypass that was to last for a while, and warns before.

use guard_common::abi::state::{BYPASS_ENDLESS, switch};
use guard_user::kernel::{KernelError, clock};
use guard_user::live::{Live, LiveError};
use guard_user::notify::notify;
use tracing::{info, warn};

/// How long before the end it is warned of.
const WARNING: u64 = 60_000_000_000;

/// What was said about the bypass that is on.
#[derive(Debug, Default)]
pub struct BypassWatch {
    /// Its word.
    word: u64,
    warned: bool,
    kept: bool,
}

impl BypassWatch {
    /// Looks whether it ends soon or now.
    pub fn look(&mut self, live: &Live) {
        if let Err(error) = self.try_look(live) {
            warn!("whether a bypass has to end is not known: {error}");
        }
    }

    fn try_look(&mut self, live: &Live) -> Result<(), LiveError> {
        let switches = match live.pins.switches() {
            // Said elsewhere.
            Err(KernelError::NotLoaded { .. } | KernelError::Path { .. }) => return Ok(()),
            found => found?,
        };
        let word = switches.get(switch::BYPASS)?;
        if word != self.word {
            *self = Self { word, ..Self::default() };
        }
        if word <= BYPASS_ENDLESS {
            return Ok(());
        }
        let left = word.saturating_sub(clock::now());
        if left == 0 && switches.get(switch::OPENED)? != 0 {
            if !self.kept {
                say("the bypass should end now; it stays on while an alarm is open");
                self.kept = true;
            }
        } else if left == 0 {
            let Some(forgotten) = live.expire_bypass(word)? else { return Ok(()) };
            if let Err(error) = forgotten {
                warn!("the note about the bypass could not be removed: {error}");
            }
            info!("the bypass has ended as it was said to; the mode decides again");
            tell("guarding");
        } else if left <= WARNING && !self.warned {
            let seconds = left.div_ceil(1_000_000_000);
            say(&format!(
                "the bypass ends in {seconds} s; `guard bypass on` with a new --for keeps it on"
            ));
            self.warned = true;
        }
        Ok(())
    }
}

/// To the log and to the service manager.
fn say(text: &str) {
    warn!("{text}");
    tell(text);
}

fn tell(text: &str) {
    if let Err(error) = notify(&format!("STATUS={text}")) {
        warn!("the service manager could not be told: {error}");
    }
}
