//! A configuration that is wrong, or wrong here: refused as a whole, nothing half-applied.

use guard_tests::guard_process::{STRANGERS, WAN};

use crate::site;

/// An interface that is not there is named; nothing is pinned.
#[test]
fn an_interface_that_is_not_there() {
    let Some(site) = site() else { return };
    site.configure(&site.config().replace(WAN, "nix0"));
    let file = site.file();
    site.guard(&["run", "-c", &file.to_string_lossy()])
        .fails(3, &["interface nix0", "no such interface", "ip link"]);
    site.is_bare();
}

/// A restart with a wrong file, or one for another host, tells so; the guard goes on with what was
/// confirmed.
#[test]
fn a_restart_with_a_wrong_file_goes_on_with_the_right_one() {
    let Some(site) = site() else { return };
    site.start().kill();
    let before = (site.program_on(WAN), site.pinned(), site.status()["generation"].clone());
    let file = site.file();
    let run = ["run", "--config", &file.to_string_lossy()];
    for (wrong, word) in [
        (site.config() + "[[psap]]\nid = 'P-2'\n", "nothing reaches"),
        (site.config() + "colour = 'red'\n", "colour"),
        (site.config().replace(WAN, "nix0"), "differs"),
        (String::new(), "the file is empty"),
    ] {
        site.configure(&wrong);
        let daemon = site.start_with(&run);
        daemon.logs(word);
        daemon.logs("adopted");
        daemon.kill();
        let after = (site.program_on(WAN), site.pinned(), site.status()["generation"].clone());
        assert_eq!(before, after);
    }
    assert!(!site.passes(STRANGERS[0]));
}
