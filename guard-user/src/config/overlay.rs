//! Live changes: what `guard psap`, `peer`, `allow` and `deny` did since the file was written.
//!
//! An overlay is a list of changes in the order they were made, stored as JSON and replayed over
//! the file. Knows how to change a [`Config`]; whether the outcome makes sense, validation says.

use serde::{Deserialize, Serialize};

use super::change::Change;
use super::entry::{AclEntryConfig, PeerEntry, PsapEntry, Scope};
use super::error::{At, Section};
use super::time::Timestamp;
use super::{Config, ConfigError, Place};

/// Live changes, in the order they were made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Overlay(pub Vec<Change>);

impl Overlay {
    /// Adds a change made to `base` and drops what it, or the clock, has made meaningless: the
    /// list is as long as what differs from the file, however often that changed.
    pub fn push(&mut self, change: Change, base: &Config, now: Timestamp) {
        self.0.retain(|old| !change.supersedes(old) && !old.has_ended(base, now));
        let nothing_left = match &change {
            Change::RemovePsap(id) => base.psap.iter().all(|entry| entry.id != *id),
            Change::RemovePeer(id) => base.peer.iter().all(|entry| entry.id != *id),
            Change::RemoveAllow(scope) => !lists(&base.allow, scope.scope()),
            Change::RemoveDeny(scope) => !lists(&base.deny, scope.scope()),
            _ => false,
        };
        if !nothing_left {
            self.0.push(change);
        }
    }

    /// What of it still makes a difference to another base: a file that has caught up with a
    /// change says it by itself.
    #[must_use]
    pub fn over(&self, base: &Config) -> Self {
        let mut changed = base.clone();
        let makes_a_difference = |change: &&Change| {
            let differs = !changed.says(change);
            changed.make(change);
            differs
        };
        Self(self.0.iter().filter(makes_a_difference).cloned().collect())
    }
}

/// Whether a list has an entry about these frames.
pub(super) fn lists(entries: &[AclEntryConfig], scope: Scope) -> bool {
    entries.iter().any(|entry| entry.scope() == scope)
}

impl Config {
    /// This configuration with one change, validated as a whole.
    ///
    /// # Errors
    ///
    /// What removing names does not exist, or the outcome contradicts itself.
    pub fn with_change(&self, change: &Change) -> Result<Self, ConfigError> {
        let mut changed = self.clone();
        if !changed.make(change) {
            return Err(changed.nothing_to_remove(change));
        }
        changed.validate()?;
        Ok(changed)
    }

    /// This configuration, fresh from its file, with all changes made since, validated as a whole.
    /// Changes that the file has caught up with are no error.
    ///
    /// # Errors
    ///
    /// The outcome contradicts itself.
    pub fn with_overlay(&self, overlay: &Overlay) -> Result<Self, ConfigError> {
        let changed = self.replayed(overlay);
        changed.validate()?;
        Ok(changed)
    }

    /// The same without a look at the outcome: for what has been looked at before, or will be.
    #[must_use]
    pub fn replayed(&self, overlay: &Overlay) -> Self {
        let mut changed = self.clone();
        for change in &overlay.0 {
            changed.make(change);
        }
        changed
    }

    /// Whether this already says what a change would make it say.
    fn says(&self, change: &Change) -> bool {
        let listed = |entries: &[AclEntryConfig], entry: &AclEntryConfig| {
            let same = |old: &AclEntryConfig| {
                *entry == AclEntryConfig { place: entry.place, ..old.clone() }
            };
            entries.iter().any(|old| old.scope() == entry.scope() && same(old))
        };
        match change {
            Change::AddPsap(entry) => {
                let same =
                    |old: &PsapEntry| *entry == PsapEntry { place: entry.place, ..old.clone() };
                self.psap.iter().any(|old| old.id == entry.id && same(old))
            }
            Change::AddPeer(entry) => {
                let same =
                    |old: &PeerEntry| *entry == PeerEntry { place: entry.place, ..old.clone() };
                self.peer.iter().any(|old| old.id == entry.id && same(old))
            }
            Change::AddAllow(entry) => listed(&self.allow, entry),
            Change::AddDeny(entry) => listed(&self.deny, entry),
            Change::RemovePsap(id) => self.psap.iter().all(|entry| entry.id != *id),
            Change::RemovePeer(id) => self.peer.iter().all(|entry| entry.id != *id),
            Change::RemoveAllow(scope) => !lists(&self.allow, scope.scope()),
            Change::RemoveDeny(scope) => !lists(&self.deny, scope.scope()),
        }
    }

    /// Makes a change; false if it removes what does not exist.
    fn make(&mut self, change: &Change) -> bool {
        let said = self.says(change);
        match change {
            Change::AddPsap(entry) => add(&mut self.psap, entry, said),
            Change::AddPeer(entry) => add(&mut self.peer, entry, said),
            Change::AddAllow(entry) => set(&mut self.allow, entry),
            Change::AddDeny(entry) => set(&mut self.deny, entry),
            Change::RemovePsap(id) => remove(&mut self.psap, |entry| entry.id == *id),
            Change::RemovePeer(id) => remove(&mut self.peer, |entry| entry.id == *id),
            Change::RemoveAllow(scope) => remove(&mut self.allow, |e| e.scope() == scope.scope()),
            Change::RemoveDeny(scope) => remove(&mut self.deny, |e| e.scope() == scope.scope()),
        }
    }

    fn nothing_to_remove(&self, change: &Change) -> ConfigError {
        let (section, title, list) = match change {
            Change::AddPsap(entry) => (Section::Psap, entry.id.to_string(), "psap list"),
            Change::RemovePsap(id) => (Section::Psap, id.to_string(), "psap list"),
            Change::AddPeer(entry) => (Section::Peer, entry.id.to_string(), "peer list"),
            Change::RemovePeer(id) => (Section::Peer, id.to_string(), "peer list"),
            Change::AddAllow(entry) => (Section::Allow, entry.source.to_string(), "allow list"),
            Change::RemoveAllow(scope) => (Section::Allow, scope.source.to_string(), "allow list"),
            Change::AddDeny(entry) => (Section::Deny, entry.source.to_string(), "deny list"),
            Change::RemoveDeny(scope) => (Section::Deny, scope.source.to_string(), "deny list"),
        };
        let at = At::new(section, Place::LIVE, &title);
        self.located(&at.fault(
            "there is no such entry to remove",
            format!("see `guard {list}` for what there is; source, destination and service must all match"),
        ))
    }
}

/// Adds an entry unless it is said already. An entry of the same name that says something else
/// stays beside it: validation then reports the contradiction.
fn add<T: Clone>(entries: &mut Vec<T>, entry: &T, said: bool) -> bool {
    if !said {
        entries.push(entry.clone());
    }
    true
}

/// Adds an allow or deny entry; one about the same frames gets its owner, reason and expiry.
fn set(entries: &mut Vec<AclEntryConfig>, entry: &AclEntryConfig) -> bool {
    match entries.iter_mut().find(|old| old.scope() == entry.scope()) {
        Some(old) => *old = entry.clone(),
        None => entries.push(entry.clone()),
    }
    true
}

fn remove<T>(entries: &mut Vec<T>, is_it: impl Fn(&T) -> bool) -> bool {
    let before = entries.len();
    entries.retain(|entry| !is_it(entry));
    entries.len() < before
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test may panic")]

    use super::super::change::AclScope;
    use super::super::locate::Format;
    use super::*;

    const FILE: &str = "[[interface]]\nname = 'lan0'\nrole = 'trusted'\n\
        [[psap]]\nid = 'A'\nservices = ['198.51.100.10:5060/udp']\n\
        [[deny]]\nsource = '192.0.2.1'\nowner = 'noc'\nreason = 'scanner'\n";

    fn config() -> Config {
        let config = Config::parse("guard.toml", FILE, Format::Toml).unwrap();
        config.validate().unwrap();
        config
    }

    fn psap(id: &str, service: &str) -> PsapEntry {
        let services = vec![service.parse().unwrap()];
        PsapEntry { services, ..PsapEntry::new(id.parse().unwrap()) }
    }

    fn deny(source: &str, reason: &str) -> AclEntryConfig {
        AclEntryConfig::new(source.parse().unwrap(), "noc".to_owned(), reason.to_owned())
    }

    #[test]
    fn the_list_holds_no_more_than_what_differs_from_the_file() {
        let config = config();
        let now = Timestamp::from(std::time::SystemTime::now());
        let mut overlay = Overlay::default();
        let scope = |source: &str| AclScope {
            source: source.parse().unwrap(),
            destination: None,
            service: None,
        };
        let ended = AclEntryConfig {
            expires: Some("2026-01-01T00:00:00Z".parse().unwrap()),
            ..deny("192.0.2.7", "scanner")
        };
        overlay.push(Change::AddDeny(ended), &config, now);
        for _ in 0..3 {
            overlay.push(Change::AddDeny(deny("192.0.2.9", "scanner")), &config, now);
            overlay.push(Change::RemoveDeny(scope("192.0.2.9")), &config, now);
            overlay.push(Change::AddPsap(psap("B", "198.51.100.11:5060/udp")), &config, now);
            overlay.push(Change::RemovePsap("B".parse().unwrap()), &config, now);
        }
        assert_eq!(overlay, Overlay::default());
        // What the file says stays removed, also where something else takes its name.
        overlay.push(Change::RemoveDeny(scope("192.0.2.1")), &config, now);
        overlay.push(Change::RemovePsap("A".parse().unwrap()), &config, now);
        overlay.push(Change::AddPsap(psap("A", "198.51.100.12:5060/udp")), &config, now);
        assert_eq!(overlay.0.len(), 3);
        let changed = config.with_overlay(&overlay).unwrap();
        assert!(changed.deny.is_empty());
        assert_eq!(changed.psap.first().unwrap().services.len(), 1);
        assert_ne!(changed.psap, config.psap);
    }

    #[test]
    fn changes_are_replayed_and_survive_json() {
        let peer = PeerEntry::new("P".parse().unwrap(), vec!["203.0.113.1".parse().unwrap()]);
        let scope =
            AclScope { source: "192.0.2.1".parse().unwrap(), destination: None, service: None };
        let overlay = Overlay(vec![
            Change::AddPsap(psap("B", "198.51.100.11:5060/udp")),
            Change::AddPeer(peer),
            Change::RemovePsap("A".parse().unwrap()),
            Change::AddDeny(deny("192.0.2.9", "scanner")),
            Change::RemoveDeny(scope),
        ]);
        let json = serde_json::to_string(&overlay).unwrap();
        let overlay: Overlay = serde_json::from_str(&json).unwrap();
        let changed = config().with_overlay(&overlay).unwrap();
        assert_eq!(changed.psap.len(), 1);
        assert_eq!(changed.psap.first().unwrap().id.as_str(), "B");
        assert_eq!(changed.peer.len(), 1);
        assert_eq!(changed.deny.first().unwrap().source.to_string(), "192.0.2.9");
    }

    #[test]
    fn a_change_the_file_has_caught_up_with_is_no_error() {
        let overlay = Overlay(vec![
            Change::AddPsap(psap("A", "198.51.100.10:5060/udp")),
            Change::AddDeny(deny("192.0.2.1", "still a scanner")),
            Change::RemovePeer("gone".parse().unwrap()),
        ]);
        let changed = config().with_overlay(&overlay).unwrap();
        assert_eq!(changed.psap.len(), 1);
        assert_eq!(changed.deny.first().unwrap().reason, "still a scanner");
    }

    /// What the file says by itself by now need not be said on top of it for ever.
    #[test]
    fn what_the_file_has_caught_up_with_is_dropped() {
        let overlay = Overlay(vec![
            Change::AddPsap(psap("A", "198.51.100.10:5060/udp")),
            Change::AddDeny(deny("192.0.2.1", "scanner")),
            Change::AddDeny(deny("192.0.2.1", "still a scanner")),
            Change::RemovePeer("gone".parse().unwrap()),
            Change::AddPsap(psap("B", "198.51.100.11:5060/udp")),
        ]);
        let over = overlay.over(&config());
        let kept: Vec<_> = overlay.0.iter().skip(2).step_by(2).cloned().collect();
        assert_eq!(over.0, kept);
        let [with, without] = [&overlay, &over].map(|overlay| config().with_overlay(overlay));
        assert_eq!(with.unwrap(), without.unwrap());
    }

    #[test]
    fn a_change_that_contradicts_is_an_error_of_the_change() {
        let error = config()
            .with_change(&Change::AddPsap(psap("A", "198.51.100.99:5060/udp")))
            .unwrap_err();
        assert_eq!(error.file, "live change");
        assert_eq!(error.entry.as_deref(), Some("psap \"A\""));
        let error = config().with_change(&Change::RemovePsap("X".parse().unwrap())).unwrap_err();
        assert!(error.reason.contains("no such entry"));
        let error =
            config().with_change(&Change::AddDeny(deny("198.51.100.0/24", "x"))).unwrap_err();
        assert!(error.reason.contains("psap"), "{error}");
    }
}
