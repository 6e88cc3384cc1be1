//! Owners and groups of what a generation left pinned and on disk.

use super::Live;
use crate::config::Config;
use crate::kernel::owner;

impl Live {
    /// Gives everything its owner, and to `read-group` what it may see. That a group cannot see
    /// something is told, and no reason not to guard.
    pub(super) fn share(&self, config: &Config) {
        let group = config.guard.read_group.as_deref().and_then(|name| match owner::group(name) {
            Ok(group) => Some(group),
            Err(error) => {
                tracing::warn!("read-group {name}: {error}");
                None
            }
        });
        let shared = self.pins.set_owners(group).and_then(|()| match group {
            Some(group) => self.store.set_owners(group),
            None => Ok(()),
        });
        if let Err(error) = shared {
            tracing::warn!("not everything has its owner and group: {error}");
        }
    }
}
