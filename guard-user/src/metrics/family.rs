//! A family of metrics: what is said about it once, and its samples.

use prometheus::proto::{Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType};

use super::catalogue::ALL;

/// What is known of a family before anything is read.
#[derive(Clone, Copy, Debug)]
pub struct Described {
    /// Name, with its unit behind.
    pub name: &'static str,
    /// Whether it only ever grows.
    pub is_counter: bool,
    /// Names of its labels.
    pub labels: &'static [&'static str],
    /// What it says: one line.
    pub help: &'static str,
}

impl Described {
    /// A family without samples yet.
    #[must_use]
    pub fn family(&'static self) -> Family {
        Family { described: self, samples: Vec::new() }
    }

    /// The family with one sample, which has no labels.
    #[must_use]
    pub fn one(&'static self, value: f64) -> Family {
        let mut family = self.family();
        family.add([], value);
        family
    }

    /// The family with a sample for each of the words that its only label may have: 1 at the one
    /// that holds, 0 at the others.
    #[must_use]
    pub fn one_of(&'static self, words: &[&str], holds: Option<&str>) -> Family {
        let mut family = self.family();
        for word in words {
            family.add([*word], f64::from(u8::from(holds == Some(*word))));
        }
        family
    }
}

/// A family and its samples.
#[derive(Debug)]
pub struct Family {
    described: &'static Described,
    samples: Vec<Metric>,
}

impl Family {
    /// Adds a sample; `values` are those of the labels, in their order.
    pub fn add<const N: usize>(&mut self, values: [&str; N], value: f64) {
        debug_assert_eq!(N, self.described.labels.len(), "labels of {}", self.described.name);
        let pairs = self.described.labels.iter().zip(values).map(|(name, value)| {
            let mut pair = LabelPair::default();
            pair.set_name((*name).to_owned());
            pair.set_value(value.to_owned());
            pair
        });
        let mut metric = Metric::from_label(pairs.collect());
        if self.described.is_counter {
            let mut counter = Counter::default();
            counter.set_value(value);
            metric.set_counter(counter);
        } else {
            let mut gauge = Gauge::default();
            gauge.set_value(value);
            metric.set_gauge(gauge);
        }
        self.samples.push(metric);
    }

    /// Adds a sample of a number, exact up to 2^53.
    #[expect(clippy::cast_precision_loss, reason = "the format has no other numbers")]
    pub fn add_count<const N: usize>(&mut self, values: [&str; N], count: u64) {
        self.add(values, count as f64);
    }

    /// Its place in a scrape.
    #[must_use]
    pub fn place(&self) -> usize {
        let place = ALL.iter().position(|other| std::ptr::eq(*other, self.described));
        place.unwrap_or(usize::MAX)
    }

    /// Whether it has none, and is left out.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// As the encoder takes it.
    #[must_use]
    pub fn into_proto(self) -> MetricFamily {
        let Self { described, samples } = self;
        let mut family = MetricFamily::default();
        family.set_name(described.name.to_owned());
        family.set_help(described.help.to_owned());
        family.set_field_type(match described.is_counter {
            true => MetricType::COUNTER,
            false => MetricType::GAUGE,
        });
        family.set_metric(samples);
        family
    }
}
