//! 6,000 PSAPs, every one of them in trouble: how large a scrape is, and how long it takes.

use std::fmt::Write as _;
use std::time::Instant;

use guard_common::abi::state::SlotCounters;
use guard_common::reason::Reason;
use guard_user::kernel::wire::Wire;
use guard_user::metrics::PAIRS_MAX;

use super::*;

const PSAPS: usize = 6_000;
/// docs/metrics.md: most series of a scrape at so many PSAPs.
const SERIES_MAX: usize = 7 * PSAPS + PAIRS_MAX + 1_000;
/// Most bytes.
const BYTES_MAX: usize = 6 << 20;
/// Longest for one: Prometheus gives up after ten seconds unless told otherwise.
const TIME_MAX: Duration = Duration::from_secs(3);

#[test]
fn a_scrape_of_six_thousand_psaps_is_bounded() {
    let Some(site) = site() else { return };
    let mut text = config(&site, &format!("listen = '{LISTEN}'"));
    for number in 0..PSAPS {
        let (high, low) = (number / 250, number % 250 + 1);
        writeln!(
            text,
            "[[psap]]\nid = 'P-X{number:04}'\nname = 'A centre'\nservices = ['10.1.{high}.{low}:5060/udp']"
        )
        .unwrap();
    }
    site.configure(&text);
    let daemon = site.start();
    fill(&site);
    let mut best = Duration::MAX;
    let mut found = None;
    for _ in 0..3 {
        let began = Instant::now();
        let scrape = scrape_until(&site, "a scrape", |scrape| scrape.series.len() > PSAPS);
        best = best.min(began.elapsed());
        found = Some(scrape);
        // Beyond what is kept.
        std::thread::sleep(Duration::from_millis(1100));
    }
    let found = found.unwrap();
    let (series, bytes) = (found.series.len(), found.text.len());
    eprintln!("{series} series, {bytes} bytes, {best:?}");
    assert!(series <= SERIES_MAX, "{series} series");
    assert!(bytes <= BYTES_MAX, "{bytes} bytes");
    assert!(best <= TIME_MAX, "{best:?}");
    assert_eq!(found.family("guard_psap_limited_frames_total").count(), PAIRS_MAX);
    assert!(found.value("guard_series_left_out") > 100_000.0, "{}", daemon.log());
    assert_eq!(found.family("guard_psap_dropped_frames_total").count(), PSAPS + 2);
    // Nobody calls where frames belong to none.
    assert_eq!(found.family("guard_calls_total").count(), 3 * (PSAPS + 1));
    // What is left out by PSAP is still there by reason.
    let dropped = |family: &str, part: &str| -> f64 {
        found.family(family).filter(|(name, _)| name.contains(part)).map(|(_, value)| value).sum()
    };
    let all = dropped("guard_frames_total", "verdict=\"dropped\"");
    assert_eq!(all, found.sum("guard_psap_dropped_frames_total"));
    assert_eq!(site.status()["stance"], "enforcing");
}

/// Counts something under every reason of every PSAP.
fn fill(site: &Site) {
    use aya::maps::{Map, MapData, PerCpuArray, PerCpuValues};
    let data = MapData::from_pin(site.pins().join("state/COUNTERS")).unwrap();
    let map = Map::from_map_data(data).unwrap();
    let mut counters: PerCpuArray<_, Wire<SlotCounters>> = PerCpuArray::try_from(map).unwrap();
    let cpus = aya::util::nr_cpus().unwrap();
    for slot in 1..counters.len() {
        let mut of_slot = SlotCounters::default();
        for reason in Reason::all() {
            for number in [Some(reason.counter()), reason.dropped_counter()].into_iter().flatten() {
                let counter = &mut of_slot.counters[number as usize];
                (counter.packets, counter.bytes) = (u64::from(slot) * 1_000_003, 64);
            }
        }
        let values = (0..cpus).map(|cpu| if cpu == 0 { of_slot } else { SlotCounters::default() });
        let values = PerCpuValues::try_from(values.map(Wire).collect::<Vec<_>>()).unwrap();
        counters.set(slot, values, 0).unwrap();
    }
}
