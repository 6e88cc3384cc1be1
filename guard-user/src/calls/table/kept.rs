//! What a table leaves to that of the next reader, and takes back from the one before: calls that
//! hold ports open, in hashes and the elements' own addresses.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::super::dialog::{Call, Kept};
use super::super::directory::{Directory, Permission};
use super::super::pins::{Pins, Port, Ports, Sources};
use super::{CALLS_MAX, Calls, Key, Partner};

/// Ports that are kept, of all calls: half of what the data plane has places for, and a hundred
/// times what a whole state uses. What has no room is not known to the next reader.
const PORTS_MAX: usize = 16_384;

/// A call that holds ports open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    key: Key,
    call: Kept,
}

impl Calls {
    /// What to keep, if it may have changed since this was asked last: calls of configured
    /// parties first.
    pub fn changed(&mut self) -> Option<Vec<Entry>> {
        if !std::mem::take(&mut self.changed) {
            return None;
        }
        let of_strangers = |is: bool| {
            let is_it = move |key: &Key| matches!(key.partner, Partner::Stranger(_)) == is;
            self.calls.iter().filter(move |(key, call)| is_it(key) && !call.opened.is_empty())
        };
        let mut room = PORTS_MAX;
        let calls = of_strangers(false).chain(of_strangers(true)).take_while(|(_, call)| {
            let has_room = call.opened.len() <= room;
            room = room.saturating_sub(call.opened.len());
            has_room
        });
        Some(calls.map(|(key, call)| Entry { key: *key, call: call.kept() }).collect())
    }

    /// Takes back what an earlier reader knew: of each call the ports that are still pinned for
    /// it. One that has none is forgotten.
    pub fn take_back<P: Ports>(
        &mut self,
        kept: Vec<Entry>,
        directory: &Directory,
        pins: &Pins<P>,
        now: u64,
    ) {
        // What is written next says what was taken back, and of what could not be read, nothing.
        self.changed = true;
        let held = held(&kept, pins);
        for Entry { key, mut call } in kept {
            call.opened.retain(|(port, _)| {
                let Port { address, port: number, protocol } = *port;
                held.contains(port)
                    && directory.permission(key.slot, address, number, protocol) == Permission::Open
            });
            let is_stranger = matches!(key.partner, Partner::Stranger(_));
            let known = if is_stranger { self.strangers } else { self.len() - self.strangers };
            if call.opened.is_empty() || known >= CALLS_MAX || self.calls.contains_key(&key) {
                continue;
            }
            let call = Call::of(call, !is_stranger, now);
            for port in call.opened.keys() {
                *self.holders.entry(*port).or_default() += 1;
            }
            self.strangers += usize::from(is_stranger);
            self.calls.insert(key, call);
        }
    }
}

/// The ports that are pinned as one of these calls had them pinned. Of calls that share a port,
/// the newest says for whom it is.
fn held<P: Ports>(kept: &[Entry], pins: &Pins<P>) -> HashSet<Port> {
    let all = kept.iter().flat_map(|entry| &entry.call.opened);
    let is_held = |(port, Sources { named, .. }): &(Port, Sources)| {
        // Where nobody is named any more, the pin keeps who was before.
        pins.held_for(port).is_some_and(|pinned| named.is_none_or(|named| named == pinned))
    };
    all.filter(|opened| is_held(opened)).map(|(port, _)| *port).collect()
}
