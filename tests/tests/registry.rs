//! `guard psap import`: a registry and its addresses become PSAPs that are live, all at once or not
//! at all, and the example that is shipped.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed test may panic")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use guard_common::abi::state::switch;
use guard_tests::guard_process::{Answer, SECOND, STRANGERS, Site, WAN, binary};
use guard_user::kernel::state::Switches;
use guard_user::live::Live;
use nix::sys::signal::Signal;
use serde_json::Value;

const REGISTRY: &str = "PSAP ID,PSAP Name,State,County,City,Type of Change,Comments\n";
const ADDRESSES: &str = "PSAP ID,Service,Media\n";

fn example(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/examples").join(file)
}

fn site() -> Option<Site> {
    Site::with(Site::config)
}

/// Writes both files and imports them.
fn import(site: &Site, registry: &str, addresses: &str, options: &[&str]) -> Answer {
    let [one, other] = ["registry.csv", "addresses.csv"].map(|name| site.path(name));
    fs::write(&one, REGISTRY.to_owned() + registry).unwrap();
    fs::write(&other, ADDRESSES.to_owned() + addresses).unwrap();
    let [one, other] = [one, other].map(|path| path.to_string_lossy().into_owned());
    site.guard(&[&["psap", "import", &one, "--addresses", &other], options].concat())
}

fn names(site: &Site) -> Vec<String> {
    let rows = site.rows(&["psap", "list"]);
    rows.as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn what_fits_goes_live_and_the_rest_is_told() {
    let Some(site) = site() else { return };
    let _daemon = site.start();
    let registry = "S-1,\"Shelbyville, City of\",XX,,,,\nS-2,Nowhere,XX,,,,\n";
    let addresses = format!("S-1,{SECOND}:5060/udp,\nS-9,198.51.100.12:5060/udp,\n");
    let before = (site.program_on(WAN), site.status()["generation"].clone());
    // Only a look.
    let dry = import(&site, registry, &addresses, &["--dry-run"]).done();
    assert!(dry.out.contains("2 PSAPs in ") && dry.out.contains("1 with an address"), "{dry:?}");
    assert!(
        dry.out.contains("nothing was changed") && dry.out.contains("psap S-1 Shel"),
        "{dry:?}"
    );
    assert_eq!((site.program_on(WAN), site.status()["generation"].clone()), before);
    // A service nobody guards yet: a stranger's datagrams to it are over the limit soon enough,
    // but those of the carrier pass, since it is an element now.
    let report: Value = import(&site, registry, &addresses, &["--json"]).done().json();
    assert_eq!((&report["registered"], &report["usable"]), (&2.into(), &1.into()), "{report}");
    let misfits = report["misfits"].as_array().unwrap();
    let found: Vec<_> = misfits.iter().map(|it| (&it["line"], &it["psap"])).collect();
    assert_eq!(found, [(&3.into(), &"S-9".into()), (&3.into(), &"S-2".into())]);
    assert_eq!(names(&site), ["P-1", "S-1"]);
    let list = site.rows(&["psap", "list"]);
    assert_eq!(list[1]["name"], "Shelbyville, City of");
    let status = site.status();
    assert_ne!(status["generation"], before.1);
    // Once more is no change, and no generation.
    let again = import(&site, registry, &addresses, &[]).done();
    assert!(again.out.contains("nothing to change"), "{again:?}");
    assert_eq!(site.status()["generation"], status["generation"]);
    // What the file says by itself can be changed, too; one line less takes nothing away.
    let registry = "P-1,Springfield again,XX,,,,\n";
    let address = "P-1,198.51.100.10:5060/udp;198.51.100.12:5060/udp,\n";
    let changed = import(&site, registry, address, &["--reason", "moved"]).done();
    assert!(changed.out.contains("is live"), "{changed:?}");
    assert_eq!(names(&site), ["S-1", "P-1"]);
    let log = site.guard(&["audit", "--last", "1", "--json"]).done().out;
    assert!(log.contains("psap import of 1") && log.contains("moved"), "{log}");
    // It is kept: a roll-back knows the way, and so does a restart.
    let _ = site.guard(&["rollback"]).done();
    assert_eq!(names(&site), ["P-1", "S-1"]);
}

#[test]
fn what_a_gate_refuses_changes_nothing() {
    let Some(site) = site() else { return };
    let _daemon = site.start();
    let denied = STRANGERS[0];
    let _ = site.guard(&["deny", "add", &denied.to_string(), "--reason", "scanner"]).done();
    let before = (site.program_on(WAN), site.status()["generation"].clone());
    // The address of somebody who is denied; one that is the carrier's already.
    let address = format!("S-1,{denied}:5060/udp,\n");
    import(&site, "S-1,Shelbyville,,,,,\n", &address, &[]).fails(3, &["live change", "S-1"]);
    assert_eq!((site.program_on(WAN), site.status()["generation"].clone()), before);
    assert_eq!(names(&site), ["P-1"]);
    // Files that cannot be used at all.
    let missing = site.guard(&["psap", "import", "/nowhere.csv", "--addresses", "/nowhere.csv"]);
    missing.fails(3, &["/nowhere.csv", "cannot be read"]);
}

/// The registry that is shipped: as many PSAPs as Massachusetts has, of nobody's addresses.
#[test]
fn the_example_makes_a_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("psaps.toml");
    let guard = |words: &[&str]| {
        let mut command = std::process::Command::new(binary());
        guard_tests::guard_process::answer(command.args(words).current_dir(example("")))
    };
    let to = out.to_string_lossy().into_owned();
    let files = ["psap", "import", "registry.csv", "--addresses", "addresses.csv"];
    let answer = guard(&[&files[..], &["--out", &to]].concat()).done();
    assert!(answer.out.contains("204 PSAPs in registry.csv, 204 with an address"), "{answer:?}");
    assert_eq!(answer.err, "", "everything fits");
    let text = fs::read_to_string(&out).unwrap();
    let documentation = ["198.51.100.", "[2001:db8:"];
    for line in fs::read_to_string(example("addresses.csv")).unwrap().lines().skip(1) {
        let (_, addresses) = line.split_once(',').unwrap();
        let mut parts = addresses.split([',', ';']).map(str::trim);
        assert!(parts.all(|part| documentation.iter().any(|net| part.starts_with(net))), "{line}");
    }
    let whole = folder.path().join("guard.toml");
    fs::write(&whole, fs::read_to_string(example("guard.toml")).unwrap() + "\n" + &text).unwrap();
    let checked = guard(&["check", &whole.to_string_lossy()]).done();
    assert!(checked.out.contains("205 PSAPs"), "{checked:?}");
}

/// On an installation that guards nobody yet, the example is one change: nothing is reloaded.
#[test]
fn the_example_goes_live_on_a_fresh_installation() {
    let Some(site) = site() else { return };
    let example_file = fs::read_to_string(example("guard.toml")).unwrap();
    // Groups that only the package makes.
    let lines = example_file.lines().filter(|line| !line.contains("-group"));
    let named = lines.collect::<Vec<_>>().join("\n");
    site.configure("[guard]\n");
    let _daemon = site.start();
    let _ = site.apply(&named).done();
    let began = switches(&site).get(switch::HASH_KEY).unwrap();
    let files = [example("registry.csv"), example("addresses.csv")];
    let [registry, addresses] = files.map(|file| file.to_string_lossy().into_owned());
    let _ = site.guard(&["psap", "import", &registry, "--addresses", &addresses]).done();
    assert_eq!(names(&site).len(), 205);
    assert_eq!(switches(&site).get(switch::HASH_KEY).unwrap(), began, "the state is the same");
}

/// What there is no room for is refused with the way to get it, and that way leads there.
#[test]
fn without_room_it_says_how_to_get_it() {
    let Some(site) = site() else { return };
    site.configure(&site.config().replace("[guard]\n", "[guard]\ncapacity = 3\n"));
    let daemon = site.start();
    let more = "[[psap]]\nid = 'S-1'\nservices = ['10.9.0.1:5060/udp']\n\
                [[psap]]\nid = 'S-2'\nservices = ['10.9.0.2:5060/udp']\n";
    let steps =
        ["`capacity`", "`systemctl stop guard`", "`guard unload`", "`systemctl start guard`"];
    let words = [&["counter slots", "3 places"], &steps[..]].concat();
    site.apply(&(site.config() + more)).fails(1, &words);
    assert_eq!(names(&site), ["P-1"], "nothing has changed");
    assert_eq!(daemon.end(Signal::SIGTERM), Some(0));
    let _ = site.guard(&["unload"]).done();
    let _daemon = site.start();
    assert_eq!(names(&site), ["P-1", "S-1", "S-2"]);
}

fn switches(site: &Site) -> Switches {
    Live::new(&site.pins(), &site.state()).pins.switches().unwrap()
}

/// As many as the United States have, live in seconds, and not in the way of what follows.
#[test]
fn six_thousand_go_live_at_once() {
    let Some(site) = site() else { return };
    // Counters are made room for when the guard is loaded.
    site.configure(&site.config().replace("[guard]\n", "[guard]\ncapacity = 8000\n"));
    let _daemon = site.start();
    let (mut registry, mut addresses) = (String::new(), String::new());
    for number in 0..6000_u32 {
        let (third, fourth) = (number / 250, number % 250 + 1);
        writeln!(registry, "N-{number},Number {number},XX,,,,").unwrap();
        writeln!(addresses, "N-{number},10.9.{third}.{fourth}:5060/udp,").unwrap();
    }
    let begun = Instant::now();
    let _ = import(&site, &registry, &addresses, &[]).done();
    let took = begun.elapsed();
    println!("6,000 PSAPs in {took:.1?}");
    assert!(took < Duration::from_secs(60), "{took:?}");
    assert_eq!(names(&site).len(), 6001);
    let begun = Instant::now();
    let _ = site.guard(&["deny", "add", "192.0.2.1", "--reason", "r"]).done();
    assert!(begun.elapsed() < Duration::from_secs(40), "{:?}", begun.elapsed());
}
