//! Files that a person has dealt with: set aside under a number, the last few of them.

use serde::Serialize;
use serde_json::Value;

use super::Store;
use crate::kernel::KernelError;

/// How many are kept.
const ASIDE: u32 = 5;

impl Store {
    /// Writes what `<stem>.json` said, as it is to be remembered, to `<stem>-1.json`, and removes
    /// the file. Older ones move on by one.
    pub(crate) fn set_aside<T: Serialize>(&self, stem: &str, value: &T) -> Result<(), KernelError> {
        let name = |number: u32| format!("{stem}-{number}.json");
        for number in (1..ASIDE).rev() {
            if let Some(older) = self.read::<Value>(&name(number))? {
                self.write(&name(number + 1), &older)?;
            }
        }
        self.write(&name(1), value)?;
        self.remove(&format!("{stem}.json"))
    }
}
