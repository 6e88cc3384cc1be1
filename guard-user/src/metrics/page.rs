//! What a scrape gets: everything there is, read at once and kept for a second, so that however
//! many ask, the kernel is asked once a second.

use std::time::{Duration, Instant};

use bytes::Bytes;
use prometheus::TextEncoder;

use super::catalogue as of;
use super::family::Family;
use super::{resources, state, traffic};
use crate::calls::counts;
use crate::calls::tally::Tallies;
use crate::live::Live;
use crate::report;

/// How old a page may be.
const FRESH: Duration = Duration::from_secs(1);

/// The page and where it comes from.
pub struct Page {
    live: Live,
    tallies: Tallies,
    kept: Option<(Instant, Bytes)>,
}

impl Page {
    /// A page about this guard.
    #[must_use]
    pub const fn new(live: Live, tallies: Tallies) -> Self {
        Self { live, tallies, kept: None }
    }

    /// The page, a second old at most, in the text format 0.0.4.
    pub fn text(&mut self) -> Bytes {
        if let Some((at, text)) = &self.kept
            && at.elapsed() < FRESH
        {
            return text.clone();
        }
        let text = Bytes::from(print(families(&self.live, &self.tallies)));
        self.kept = Some((Instant::now(), text.clone()));
        text
    }
}

/// Reads everything. What cannot be read is missing, and said to be.
#[must_use]
pub fn families(live: &Live, tallies: &Tallies) -> Vec<Family> {
    let mut found = vec![state::build()];
    let mut parts = of::READABLE.family();
    let mut part = |name: &str, families: Option<Vec<Family>>| {
        parts.add([name], f64::from(u8::from(families.is_some())));
        found.extend(families.into_iter().flatten());
    };
    part("status", report::status(live).map(|status| state::families(&status)).ok());
    part("traffic", traffic::families(live, tallies).ok());
    part(
        "signalling",
        counts::kept(&live.store).map(|it| traffic::reader(&it.unwrap_or_default())).ok(),
    );
    part("pins", resources::pins(&live.pins).map(Vec::from).ok());
    part("memory", resources::memory(&live.pins).map(|memory| vec![memory]).ok());
    found.push(parts);
    found.push(of::LOADED.one(f64::from(u8::from(live.pins.switches().is_ok()))));
    found.push(resources::lost_lines());
    found
}

/// In the order of the catalogue, as the convention wants it: the same each time.
fn print(mut families: Vec<Family>) -> String {
    families.retain(|family| !family.is_empty());
    families.sort_by_key(Family::place);
    let families: Vec<_> = families.into_iter().map(Family::into_proto).collect();
    match TextEncoder::new().encode_to_string(&families) {
        Ok(text) => text,
        // Only a family without samples or without a name, and there is none.
        Err(error) => format!("# {error}\n"),
    }
}
