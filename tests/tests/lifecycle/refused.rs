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

/// A restart with a wrong file fails, and the guard goes on with the right one.
#[test]
fn a_restart_with_a_wrong_file_leaves_the_guard_alone() {
    let Some(site) = site() else { return };
    site.start().kill();
    let before = (site.program_on(WAN), site.pinned(), site.status()["generation"].clone());
    for wrong in [
        site.config() + "[[psap]]\nid = 'P-2'\n",
        site.config() + "colour = 'red'\n",
        site.config().replace(WAN, "nix0"),
        format!("{}[[interface]]\nname = 'nix0'\nrole = 'trusted'\n", site.config()),
        String::new(),
    ] {
        site.configure(&wrong);
        site.guard(&["run", "-c", &site.file().to_string_lossy()]).fails(3, &[]);
        let after = (site.program_on(WAN), site.pinned(), site.status()["generation"].clone());
        assert_eq!(before, after);
    }
    assert!(!site.passes(STRANGERS[0]));
}
