//! How unlikely a fall is. Pure arithmetic; the tails of two distributions, summed term by term.

/// Variance over mean of 911 calls, measured over 24 days of a county's dispatch: they come in
/// bursts, so that a pure Poisson test would cry too soon.
const DISPERSION: f64 = 2.2;
/// More terms than that add nothing that matters here, and cost.
const TERMS_MAX: u64 = 100_000;

/// The probability of so few successes or fewer, where each of so many tries succeeds with the
/// probability `p`.
#[must_use]
pub fn binomial(successes: u64, tries: u64, p: f64) -> f64 {
    if successes >= tries || p <= 0.0 {
        return 1.0;
    }
    if p >= 1.0 {
        return 0.0;
    }
    let odds = (p / (1.0 - p)).ln();
    let first = count(tries) * (1.0 - p).ln();
    sum(successes, first, |term| (count(tries - term + 1) / count(term)).ln() + odds)
}

/// The probability of so few calls or fewer where this many are expected, bursts allowed for: as
/// if [`DISPERSION`] calls came as one.
#[must_use]
pub fn calls(seen: u64, expected: f64) -> f64 {
    if expected <= 0.0 {
        return 1.0;
    }
    let expected = expected / DISPERSION;
    let seen = (count(seen) / DISPERSION).ceil() as u64;
    sum(seen, -expected, |term| (expected / count(term)).ln())
}

/// The sum of the terms up to `last`; `ratio` is the logarithm of a term over the one before.
fn sum(last: u64, first: f64, ratio: impl Fn(u64) -> f64) -> f64 {
    let mut logarithm = first;
    let mut total = logarithm.exp();
    for term in 1..=last.min(TERMS_MAX) {
        logarithm += ratio(term);
        total += logarithm.exp();
    }
    // What was not summed may be anything: say "likely".
    if last > TERMS_MAX { 1.0 } else { total.min(1.0) }
}

#[expect(clippy::cast_precision_loss, reason = "counts beyond 2^52 do not come up")]
const fn count(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn close(found: f64, expected: f64) -> bool {
        (found - expected).abs() <= 1e-9 + expected * 1e-6
    }

    #[test]
    fn tails_are_those_of_the_textbook() {
        assert!(close(binomial(0, 3, 0.5), 0.125));
        assert!(close(binomial(1, 3, 0.5), 0.5));
        assert!(close(binomial(2, 10, 0.9), 3.736e-7));
        assert!(close(calls(0, 22.0), (-10.0_f64).exp()));
        assert!(close(calls(2, 2.2), 2.0 * (-1.0_f64).exp()));
        assert!(close(binomial(3, 3, 0.1), 1.0) && close(calls(0, 0.0), 1.0));
    }

    proptest! {
        #[test]
        fn a_tail_is_a_probability_and_grows(seen in 0_u64..5000, of in 0_u64..5000, p in -0.1..1.1) {
            let [fewer, more] = [binomial(seen, of, p), binomial(seen + 1, of, p)];
            prop_assert!((0.0..=1.0).contains(&fewer) && fewer <= more + 1e-9, "{fewer} {more}");
            let expected = p * 3000.0;
            let [fewer, more] = [calls(seen, expected), calls(seen + 1, expected)];
            prop_assert!((0.0..=1.0).contains(&fewer) && fewer <= more + 1e-9, "{fewer} {more}");
        }
    }
}
