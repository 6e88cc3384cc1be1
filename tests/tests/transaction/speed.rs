//! How long it takes to apply 6,000 PSAPs and 100,000 prefixes.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use guard_tests::guard_process::Site;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

use crate::{denying, site};

const PSAPS: usize = 6000;
const PREFIXES: usize = 100_000;
/// The aim, without the gates that try a generation, is a second; this is ten of the processor,
/// because slow ones take three times as long and others use it, too. What one has to wait for them
/// says nothing.
const BOUND: Duration = Duration::from_secs(10);

/// Processor time of all processes that this one has waited for.
fn spent() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    let time = |time: TimeVal| {
        let seconds = Duration::from_secs(time.tv_sec().try_into().unwrap());
        seconds + Duration::from_micros(time.tv_usec().try_into().unwrap())
    };
    time(usage.user_time()) + time(usage.system_time())
}

/// Runs a verb and tells how long that took, which must not be long.
fn timed(site: &Site, what: &str, verb: &[&str]) {
    let (started, before) = (Instant::now(), spent());
    let _ = site.guard(verb).done();
    let (took, spent) = (started.elapsed(), spent() - before);
    println!(
        "{PSAPS} PSAPs, {PREFIXES} prefixes: {what}: {took:.2?}, of the processor {spent:.2?}"
    );
    assert!(spent < BOUND, "{what}: {spent:?} of the processor");
}

#[test]
fn six_thousand_psaps_and_a_hundred_thousand_prefixes_apply_fast() {
    let Some(site) = site() else { return };
    let mut text = denying(&site, &[0]).replace("[guard]", "[guard]\ncapacity = 8192");
    site.configure(&text);
    let _daemon = site.start();
    for number in 1..PSAPS {
        let (high, low) = (number / 250, number % 250 + 1);
        let _ = write!(
            text,
            "[[psap]]\nid = 'US-{number:04}'\nname = 'Dispatch centre {number}'\n\
             services = ['10.0.{high}.{low}:5060/udp', '10.0.{high}.{low}:5061/tls']\n\
             media = ['10.0.{high}.{low}:16384-32767']\n"
        );
    }
    for number in 0..PREFIXES {
        let [_, a, b, c] = u32::try_from(number * 16).unwrap().to_be_bytes();
        let _ = write!(
            text,
            "[[deny]]\nsource = '11.{a}.{b}.{c}/28'\nowner = 'noc'\nreason = 'list {number}'\n"
        );
    }
    let file = site.file().to_string_lossy().into_owned();
    site.configure(&text);
    timed(&site, "the first time", &["apply", &file]);
    // The same once more with a change: now what is live is as large.
    site.configure(&text.replace("'Dispatch centre 17'", "'Dispatch centre XVII'"));
    timed(&site, "one change", &["apply", &file]);
    assert_eq!(site.status()["configured"]["psaps"], PSAPS);
    timed(&site, "two back", &["rollback", "2"]);
    assert_eq!(site.status()["configured"]["psaps"], 1);
}
