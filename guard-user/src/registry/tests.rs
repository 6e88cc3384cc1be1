#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed test may panic"
)]

use std::fmt::Write as _;
use std::fs;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::config::{Config, Format};

const HEADING: &str = "PSAP ID,PSAP Name,State,County,City,Type of Change,Comments\n";
const ADDRESSES: &str = "PSAP ID,Service,Media,Bind,Admin,Site,Via\n";

fn imported(registry: &[u8], addresses: &[u8]) -> Result<Import, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let [one, other] = ["registry.csv", "addresses.csv"].map(|name| folder.path().join(name));
    fs::write(&one, registry).unwrap();
    fs::write(&other, addresses).unwrap();
    import(&one, &other)
}

/// Rows below both headings.
fn joined(registry: &str, addresses: &str) -> Import {
    let (registry, addresses) = (HEADING.to_owned() + registry, ADDRESSES.to_owned() + addresses);
    imported(registry.as_bytes(), addresses.as_bytes()).unwrap()
}

/// Line and reason of each misfit.
fn misfits(import: &Import) -> Vec<(u64, &str)> {
    import.misfits.iter().map(|misfit| (misfit.line, misfit.reason.as_str())).collect()
}

#[test]
fn a_psap_gets_all_its_lines_of_addresses() {
    let import = joined(
        "4711,\"Springfield, City of\",MA,Hampden,Springfield,,\n4712,\"The \"\"Old\"\" Mill\",MA,,,,\n",
        "4711,198.51.100.10:5060/udp,198.51.100.10:16384-32767,wan0 wan1,,,\n\
         4711,198.51.100.10:5061/tls; 198.51.100.11:5061/tls,,wan0,+16175550100,,\n\
         4712,,,,,hosted,\n",
    );
    assert_eq!(misfits(&import), []);
    let [springfield, mill] = &import.psaps[..] else { panic!("{import:?}") };
    assert_eq!(springfield.name.as_deref(), Some("Springfield, City of"));
    assert_eq!(springfield.services.len(), 3);
    assert_eq!(springfield.bind.len(), 2);
    assert_eq!(springfield.admin.len(), 1);
    assert_eq!(mill.name.as_deref(), Some("The \"Old\" Mill"));
    assert_eq!(mill.site.as_ref().unwrap().as_str(), "hosted");
}

#[test]
fn what_spreadsheets_write_is_read() {
    let plain = joined("4711,Springfield,MA,,,,\n", "4711,198.51.100.10:5060/udp,,,,,\n");
    let registry = "\u{feff}psap_id, PSAP NAME ,State\r\n\"4711\",Springfield,MA\r\n,,\r\n";
    let addresses = "\u{feff}PSAP ID,Service\r\n4711,198.51.100.10:5060/udp\r\n";
    let windows = imported(registry.as_bytes(), addresses.as_bytes()).unwrap();
    assert_eq!(windows, plain);
    let latin = b"PSAP ID,PSAP Name\n4711,Ca\xf1on City\n";
    let import = imported(latin, addresses.as_bytes()).unwrap();
    assert_eq!(import.psaps[0].name.as_deref(), Some("Cañon City"));
}

#[test]
fn what_does_not_fit_is_told_with_its_line() {
    let import = joined(
        "4711,Springfield,,,,,\n4711,Springfield again,,,,,\n,Nameless,,,,,\n\
         4712,Shelbyville, City of,MA,,,,no quotes\n4713,Nowhere,,,,,\nA B,Blank,,,,,\n",
        "4711,198.51.100.10,,,,,\n9999,198.51.100.11:5060/udp,,,,,\n4711,,,,,,\n\
         4711,198.51.100.10:5060/udp,198.51.100.10:99999,,,a,\n4711,,,,,b,\n",
    );
    assert_eq!(
        misfits(&import),
        [
            (2, "\"198.51.100.10\" names no transport"),
            (3, "the registry has no such PSAP"),
            (4, "neither service nor site nor via"),
            (5, "\"99999\" is not a port"),
            (6, "it is a on another line"),
            (3, "it is on line 2 already"),
            (4, "the id is empty"),
            (5, "8 values for 7 columns"),
            (6, "no address"),
            (7, "the id \"A B\" contains ' '"),
        ]
    );
    assert_eq!((import.registered, import.psaps.len()), (2, 1), "what is right is taken");
    assert!(import.misfits.iter().all(|misfit| !misfit.next.is_empty()));
    let file = |misfit: &Misfit| misfit.file.rsplit('/').next().unwrap().to_owned();
    assert_eq!(file(&import.misfits[0]), "addresses.csv");
    assert_eq!(import.misfits[8].psap.as_deref(), Some("4713"));
}

#[test]
fn a_quote_that_nobody_closes_is_no_psap() {
    let rest = "4713,Somewhere,,,,,\n".repeat(100);
    let import = joined(&format!("4711,Springfield,,,,,\n4712,\"Shelbyville,,,,,\n{rest}"), "");
    assert_eq!(import.registered, 1);
    assert!(misfits(&import).iter().any(|(line, why)| *line == 3 && why.contains("bytes")));
}

#[test]
fn files_that_cannot_be_used_say_why() {
    let addresses = b"PSAP ID,Service\n1,198.51.100.10:5060/udp\n";
    for (registry, reason) in [
        (&b""[..], "names no column \"PSAP ID\""),
        (b"PSAP ID\n1\n", "names no column \"PSAP Name\""),
        (b"PSAP ID;PSAP Name\n1;A\n", "separated by ';'"),
        (b"PSAP ID\tPSAP Name\n1\tA\n", "separated by '\\t'"),
        (b"\xff\xfeP\0S\0A\0P\0", "UTF-16"),
        (b"PSAP ID,PSAP Name,psap id\n1,A,2\n", "two columns"),
    ] {
        let error = imported(registry, addresses).unwrap_err();
        assert!(error.reason.contains(reason), "{error}");
        assert!(error.file.ends_with("registry.csv") && !error.next.is_empty());
    }
    // A column of ours that is misspelled would be an address that is missing.
    let error = imported(b"PSAP ID,PSAP Name\n", b"PSAP ID,Servise\n").unwrap_err();
    assert!(error.reason.contains("\"servise\"") && error.file.ends_with("addresses.csv"));
    let missing = import(Path::new("/nowhere/r.csv"), Path::new("/nowhere/a.csv")).unwrap_err();
    assert!(missing.reason.contains("cannot be read"));
}

#[test]
fn six_thousand_psaps_take_no_time_and_make_a_configuration() {
    let (mut registry, mut addresses) = (String::new(), String::new());
    for number in 0..6000 {
        let (third, fourth) = (number / 250, number % 250);
        writeln!(registry, "{number},\"Number {number}, County\",MA,,,,").unwrap();
        writeln!(addresses, "{number},10.0.{third}.{fourth}:5060/udp,,,,,").unwrap();
    }
    let begun = Instant::now();
    let import = joined(&registry, &addresses);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!((import.psaps.len(), misfits(&import)), (6000, vec![]));
    let text = as_toml(&import.psaps).unwrap();
    let with = format!("[[interface]]\nname = 'lan0'\nrole = 'trusted'\n{text}");
    let config = Config::parse("guard.toml", &with, Format::Toml).unwrap();
    config.validate().unwrap();
    let without_place = |entry: &PsapEntry| serde_json::to_string(entry).unwrap();
    assert!(config.psap.iter().map(without_place).eq(import.psaps.iter().map(without_place)));
}

proptest! {
    /// Whatever bytes two files are: an answer, and no panic.
    #[test]
    fn no_bytes_bring_it_down(
        registry in prop::collection::vec(any::<u8>(), 0..400),
        addresses in "[0-9,;:/\"\r\n a-z]{0,200}",
        heading: bool,
    ) {
        let head = |text: &str| if heading { text.as_bytes().to_vec() } else { Vec::new() };
        let registry = [head(HEADING), registry].concat();
        let addresses = [head(ADDRESSES), addresses.into_bytes()].concat();
        let _ = imported(&registry, &addresses);
    }
}
