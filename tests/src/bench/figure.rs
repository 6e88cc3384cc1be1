//! A row of figures, and ratios between rows.

use anyhow::{Context as _, Result};
use serde::Serialize;

/// What was measured, round by round.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// What it is.
    pub name: String,
    /// Half of the rounds were below.
    pub median: f64,
    /// The least of the rounds.
    pub min: f64,
    /// The greatest of the rounds.
    pub max: f64,
    /// All rounds, in order.
    pub rounds: Vec<f64>,
}

impl Row {
    /// The figures of all rounds.
    ///
    /// # Errors
    ///
    /// There was no round.
    pub fn of(name: impl Into<String>, rounds: &[f64]) -> Result<Self> {
        let name = name.into();
        let mut sorted = rounds.to_vec();
        sorted.sort_by(f64::total_cmp);
        let nothing = || format!("{name}: nothing was measured");
        Ok(Self {
            median: median(rounds).with_context(nothing)?,
            min: sorted.first().copied().with_context(nothing)?,
            max: sorted.last().copied().with_context(nothing)?,
            rounds: rounds.to_vec(),
            name,
        })
    }
}

/// The median of the ratios of rounds that were neighbours: what else the machine did then hit
/// both.
#[must_use]
pub fn ratio(row: &Row, to: &Row) -> Option<f64> {
    let rounds = row.rounds.iter().zip(&to.rounds);
    median(&rounds.filter(|(_, to)| **to > 0.0).map(|(row, to)| row / to).collect::<Vec<_>>())
}

/// The median of the differences of neighbours.
#[must_use]
pub fn difference(row: &Row, less: &Row) -> Option<f64> {
    let rounds = row.rounds.iter().zip(&less.rounds);
    median(&rounds.map(|(row, less)| row - less).collect::<Vec<_>>())
}

fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied()
}

/// The row of that name.
#[must_use]
pub fn find<'a>(rows: &'a [Row], name: &str) -> Option<&'a Row> {
    rows.iter().find(|row| row.name == name)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test may panic")]

    use super::*;

    #[test]
    fn a_ratio_is_that_of_neighbours() {
        // The machine slows down; both are hit.
        let one = Row::of("one", &[10.0, 20.0, 40.0]).unwrap();
        let two = Row::of("two", &[20.0, 40.0, 80.0]).unwrap();
        assert_eq!(ratio(&two, &one), Some(2.0));
        assert_eq!(difference(&two, &one), Some(20.0));
        assert_eq!((two.min, two.median, two.max), (20.0, 40.0, 80.0));
        assert!(Row::of("none", &[]).is_err());
    }
}
