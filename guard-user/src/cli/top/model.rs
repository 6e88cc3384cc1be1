//! What is shown: rates from one reading to the next, their course, and what the keys say.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use guard_user::report::{PsapRow, Pulse, Rates, Totals};
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::reader::{Reading, Sampled};

/// Readings that a course goes back.
const COURSE: usize = 60;
/// How long a sample counts.
const SAMPLED: Duration = Duration::from_secs(60);
/// Samples that are counted.
const SAMPLES: usize = 20_000;
/// Longest filter.
const FILTER_MAX: usize = 32;

/// What to do after a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Go on.
    Stay,
    /// End.
    End,
}

/// Everything that is shown.
#[derive(Default)]
pub struct Model {
    /// How the guard is; `None` until it has been read.
    pub pulse: Option<Pulse>,
    /// All frames.
    pub all: Line,
    /// PSAPs, those in trouble first.
    pub psaps: Vec<Line>,
    /// Drops by reason, most first: name, frames a second, frames in all.
    pub reasons: Vec<(&'static str, f64, u64)>,
    /// Whether nothing new is shown.
    pub is_frozen: bool,
    /// What has to be in a row for it to be shown.
    pub filter: String,
    /// Whether keys are letters of the filter.
    pub is_typing: bool,
    /// Rows that are scrolled out at the top.
    pub scrolled: usize,
    /// Why counters or samples are not there.
    pub trouble: [Option<String>; 2],
    samples: VecDeque<Sample>,
    last: Option<Last>,
}

/// A line: somebody's rates.
#[derive(Clone, Default)]
pub struct Line {
    /// Id; empty for frames of none.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// Since the reading before; zero at first.
    pub rates: Option<Rates>,
    /// All that was counted.
    pub totals: Totals,
    /// Frames a second that were dropped or would have been, oldest first.
    pub course: VecDeque<u64>,
}

struct Last {
    at: Instant,
    totals: BTreeMap<String, Totals>,
    dropped: BTreeMap<(String, &'static str), u64>,
}

struct Sample {
    at: Instant,
    source: String,
    psap: String,
    reason: &'static str,
}

impl Line {
    /// Frames a second that were dropped or would have been.
    pub fn trouble(&self) -> f64 {
        self.rates.map_or(0.0, |rates| rates.dropped + rates.over_limit)
    }

    /// Goes on to the next reading.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "what is no number of frames is none"
    )]
    fn advance(&mut self, totals: Totals, before: Option<(Totals, f64)>) {
        self.totals = totals;
        self.rates = before.map(|(old, seconds)| Rates::of(&totals.since(old), seconds));
        self.course.push_back(self.trouble().ceil() as u64);
        if self.course.len() > COURSE {
            self.course.pop_front();
        }
    }
}

impl Model {
    /// Takes new figures, unless frozen.
    pub fn take(&mut self, reading: Reading) {
        if self.is_frozen {
            return;
        }
        let now = Instant::now();
        let Reading { pulse, psaps, drops } = reading;
        let seconds = self.last.as_ref().map(|last| now.duration_since(last.at).as_secs_f64());
        let own = |row: &&PsapRow| row.shared_with.is_none();
        let mut known: BTreeMap<String, Line> = std::mem::take(&mut self.psaps)
            .into_iter()
            .map(|line| (line.id.clone(), line))
            .collect();
        let (mut all, mut totals) = (Totals::default(), BTreeMap::new());
        for row in psaps.iter().filter(own) {
            let id = row.id.clone().unwrap_or_default();
            let before = self.last.as_ref().and_then(|last| last.totals.get(&id)).copied();
            let mut line = known.remove(&id).unwrap_or_default();
            line.name = row.name.clone().unwrap_or_default();
            line.id.clone_from(&id);
            line.advance(row.totals, before.zip(seconds));
            all.join(row.totals);
            totals.insert(id, row.totals);
            self.psaps.push(line);
        }
        let before = self.all.totals;
        self.all.advance(all, seconds.map(|seconds| (before, seconds)));
        self.psaps.sort_by(|a, b| {
            let worse = b.trouble().total_cmp(&a.trouble());
            let was_worse = b.totals.trouble().cmp(&a.totals.trouble());
            worse
                .then(was_worse)
                .then_with(|| (a.id.is_empty(), &a.id).cmp(&(b.id.is_empty(), &b.id)))
        });
        let mut dropped = BTreeMap::new();
        for row in &drops {
            let frames = row.dropped_packets.saturating_add(row.would_drop_packets);
            dropped.insert((row.id.clone().unwrap_or_default(), row.reason), frames);
        }
        self.reasons = by_reason(&dropped, self.last.as_ref(), seconds);
        self.last = Some(Last { at: now, totals, dropped });
        (self.pulse, self.trouble[0]) = (Some(pulse), None);
    }

    /// Counters could not be read.
    pub fn fail(&mut self, why: String) {
        self.trouble[0] = Some(why);
    }

    /// Takes samples, unless frozen.
    pub fn add(&mut self, samples: Vec<Sampled>) {
        if self.is_frozen {
            return;
        }
        let at = Instant::now();
        for sampled in samples {
            match sampled {
                Sampled::Failed(why) => self.trouble[1] = Some(why),
                Sampled::Drop(drop) => {
                    self.trouble[1] = None;
                    let source = drop
                        .parties
                        .source
                        .map_or_else(|| "?".to_owned(), |source| source.to_string());
                    let psap = drop.psap.clone().unwrap_or_default();
                    self.samples.push_back(Sample { at, source, psap, reason: drop.reason });
                }
            }
        }
        let is_over = |sample: &Sample| at.duration_since(sample.at) > SAMPLED;
        while self.samples.len() > SAMPLES || self.samples.front().is_some_and(is_over) {
            self.samples.pop_front();
        }
    }

    /// PSAPs that are shown.
    pub fn shown(&self) -> impl Iterator<Item = &Line> {
        let wanted = |line: &&Line| self.wants(&[&line.id, &line.name]);
        self.psaps.iter().filter(wanted).skip(self.scrolled)
    }

    /// Reasons that are shown.
    pub fn shown_reasons(&self) -> impl Iterator<Item = &(&'static str, f64, u64)> {
        // A filter for a PSAP says nothing about reasons: then all are shown.
        let any = self.reasons.iter().any(|(name, ..)| self.wants(&[name]));
        self.reasons.iter().filter(move |(name, ..)| !any || self.wants(&[name]))
    }

    /// Sources by samples of the last minute, most first: address, a PSAP and reason, how many.
    pub fn sources(&self) -> Vec<(&str, &str, &'static str, usize)> {
        let mut sums: BTreeMap<&str, (&str, &'static str, usize)> = BTreeMap::new();
        for Sample { source, psap, reason, .. } in &self.samples {
            if self.wants(&[source, psap, reason]) {
                sums.entry(source).or_insert((psap, reason, 0)).2 += 1;
            }
        }
        let mut sources: Vec<_> = sums
            .into_iter()
            .map(|(source, (psap, reason, frames))| (source, psap, reason, frames))
            .collect();
        sources.sort_by_key(|source| std::cmp::Reverse(source.3));
        sources
    }

    fn wants(&self, texts: &[&str]) -> bool {
        let filter = self.filter.to_lowercase();
        filter.is_empty() || texts.iter().any(|text| text.to_lowercase().contains(&filter))
    }

    /// Does what a key says.
    pub fn key(&mut self, key: KeyEvent) -> Next {
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return match key.code {
                KeyCode::Char('c' | 'd') => Next::End,
                _ => Next::Stay,
            };
        }
        if self.is_typing {
            self.typed(key.code);
            return Next::Stay;
        }
        match key.code {
            KeyCode::Char('q') => return Next::End,
            KeyCode::Char(' ' | 'f') => self.is_frozen = !self.is_frozen,
            KeyCode::Char('/') => self.is_typing = true,
            KeyCode::Esc => self.filter.clear(),
            KeyCode::Down | KeyCode::Char('j') => self.scroll(1),
            KeyCode::Up | KeyCode::Char('k') => self.scroll(-1),
            KeyCode::PageDown => self.scroll(10),
            KeyCode::PageUp => self.scroll(-10),
            KeyCode::Home => self.scrolled = 0,
            _ => {}
        }
        Next::Stay
    }

    fn typed(&mut self, key: KeyCode) {
        match key {
            KeyCode::Enter => self.is_typing = false,
            KeyCode::Esc => {
                self.is_typing = false;
                self.filter.clear();
            }
            KeyCode::Backspace => drop(self.filter.pop()),
            KeyCode::Char(letter) if self.filter.chars().count() < FILTER_MAX => {
                self.filter.push(letter);
            }
            _ => {}
        }
        self.scrolled = 0;
    }

    fn scroll(&mut self, rows: isize) {
        let last = self.psaps.len().saturating_sub(1);
        self.scrolled = self.scrolled.saturating_add_signed(rows).min(last);
    }
}

/// Sums over owners: rates since the last reading, and all.
#[expect(clippy::cast_precision_loss, reason = "counts beyond 2^53 have no use for their end")]
fn by_reason(
    dropped: &BTreeMap<(String, &'static str), u64>,
    last: Option<&Last>,
    seconds: Option<f64>,
) -> Vec<(&'static str, f64, u64)> {
    let mut sums: BTreeMap<&'static str, (u64, u64)> = BTreeMap::new();
    for (key, frames) in dropped {
        let old = last.and_then(|last| last.dropped.get(key)).copied().unwrap_or(0);
        let sum = sums.entry(key.1).or_default();
        sum.0 = sum.0.saturating_add(frames.saturating_sub(old));
        sum.1 = sum.1.saturating_add(*frames);
    }
    let rate = |grown: u64| seconds.map_or(0.0, |seconds| grown as f64 / seconds.max(1e-3));
    let mut reasons: Vec<_> =
        sums.into_iter().map(|(name, (grown, all))| (name, rate(grown), all)).collect();
    reasons.sort_by(|a, b| b.1.total_cmp(&a.1).then(b.2.cmp(&a.2)));
    reasons
}
