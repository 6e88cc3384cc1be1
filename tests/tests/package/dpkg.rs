//! Installed, upgraded, removed and purged by dpkg; the guard stays on its interfaces throughout,
//! until it is removed.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::process::Command;

use guard_tests::debian::Debian;
use guard_tests::guard_process::answer;
use guard_tests::packages::made;
use tempfile::TempDir;

use crate::{CONFIG, active, guarded, install, journal};

/// The package as a later version; `change` is done to its binary.
fn later(version: &str, change: impl FnOnce(&mut [u8])) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let (root, package) = (folder.path().join("root"), folder.path().join("later.deb"));
    let dpkg_deb = |words: &[&std::ffi::OsStr]| {
        let _ = answer(Command::new("dpkg-deb").args(words)).done();
    };
    dpkg_deb(&["--raw-extract".as_ref(), made(".deb").as_ref(), root.as_ref()]);
    let control = root.join("DEBIAN/control");
    let text = fs::read_to_string(&control).unwrap();
    let line = text.lines().find(|line| line.starts_with("Version: ")).unwrap();
    fs::write(&control, text.replace(line, &format!("Version: {version}"))).unwrap();
    let binary = root.join("usr/bin/guard");
    let mut bytes = fs::read(&binary).unwrap();
    change(&mut bytes);
    fs::write(&binary, bytes).unwrap();
    dpkg_deb(
        &["-Znone", "--root-owner-group", "--build"]
            .map(AsRef::as_ref)
            .into_iter()
            .chain([root.as_ref(), package.as_ref()])
            .collect::<Vec<_>>(),
    );
    (folder, package)
}

/// Makes the kernel half another: a byte of its header that nobody reads.
fn other_program(binary: &mut [u8]) {
    let is_it = |at: &usize| {
        let rest = &binary[*at..];
        rest.starts_with(&[0x7f, b'E', b'L', b'F', 2, 1, 1]) && rest.get(18..20) == Some(&[247, 0])
    };
    let at = (0..binary.len()).step_by(8).find(is_it).unwrap();
    binary[at + 12] = 1;
}

/// Every file that a package could leave somewhere.
fn files(host: &Debian) -> BTreeSet<String> {
    let found = host.say(&["find", "/etc", "/usr", "/var/lib", "/sys/fs/bpf", "-xdev"]);
    // What dpkg, systemd and the user database keep for themselves.
    let not_ours = ["/var/lib/dpkg", "/var/lib/systemd", "/etc/.pwd.lock", "/var/cache"];
    let lines = found.lines().filter(|line| {
        !not_ours.iter().any(|other| line.starts_with(other))
            && !line.ends_with('-')
            && !line.contains(".cache")
    });
    lines.map(str::to_owned).collect()
}

#[test]
fn a_first_installation_guards_nothing_and_says_what_to_do() {
    let Some(host) = Debian::new() else { return };
    install(&host, &made(".deb"));
    active(&host, "");
    assert_eq!(host.property("guard", "UnitFileState"), "enabled");
    assert_eq!(host.link("wan0"), None);
    let status = host.json(&["status"]);
    assert_eq!((&status["mode"], &status["stance"]), (&"monitor".into(), &"monitoring".into()));
    assert_eq!(status["interfaces"].as_array().unwrap().len(), 0);
    let log = journal(&host);
    assert!(log.contains("nothing is configured") && log.contains("guard apply"), "{log}");
    // Who may read what.
    for (path, mode, group) in
        [("/etc/guard", 0o750, "guard"), ("/etc/guard/guard.toml", 0o640, "guard")]
    {
        let found = fs::metadata(host.path(path)).unwrap();
        assert_eq!(found.mode() & 0o777, mode, "{path}");
        assert_eq!(host.say(&["stat", "--format=%G", path]), group);
    }
    for group in ["guard", "guard-read", "guard-oncall"] {
        let _ = host.run(&["getent", "group", group]).done();
    }
    for file in [
        "/usr/share/man/man8/guard-apply.8.gz",
        "/usr/share/bash-completion/completions/guard",
        "/usr/share/zsh/vendor-completions/_guard",
        "/usr/share/fish/vendor_completions.d/guard.fish",
        "/usr/share/doc/guard/guard.example.toml",
        "/usr/share/doc/guard/examples/registry.csv",
        "/usr/share/doc/guard/prometheus/guard.rules.yml",
        "/usr/share/doc/guard/prometheus/guard-dashboard.json",
    ] {
        assert!(host.path(file).exists(), "{file}");
    }
    let _ = host.run(&["guard", "check"]).done();
    assert_eq!(host.say(&["dpkg", "--verify", "guard"]), "", "as it was packed");
}

/// Whoever deletes the file gets a daemon all the same, and is told what to do.
#[test]
fn a_start_without_the_configuration_file_says_what_to_write() {
    let Some(host) = Debian::new() else { return };
    install(&host, &made(".deb"));
    let daemon = active(&host, "");
    let hints = || journal(&host).matches("write /etc/guard/guard.toml, then").count();
    let before = hints();
    fs::remove_file(host.path("/etc/guard/guard.toml")).unwrap();
    let _ = host.run(&["systemctl", "restart", "guard"]).done();
    // Ready, as systemd sees it.
    active(&host, &daemon);
    let is_told = || hints() > before;
    assert!(guard_tests::guard_process::eventually(crate::SOON, is_told), "{}", journal(&host));
    assert_eq!(host.json(&["status"])["stance"], "monitoring");
}

/// Counters are allotted when the guard is loaded, on day one for nobody: what to do is said, and
/// does it.
#[test]
fn a_large_first_configuration_begins_anew() {
    let Some(host) = Debian::new() else { return };
    install(&host, &made(".deb"));
    active(&host, "");
    let mut text = CONFIG.to_owned();
    for number in 1..=600 {
        let service = format!("10.9.{}.{}:5060/udp", number / 250, number % 250 + 1);
        text += &format!("[[psap]]\nid = 'N-{number}'\nservices = ['{service}']\n");
    }
    fs::write(host.path("/etc/guard/guard.toml"), text).unwrap();
    let refused = host.run(&["guard", "apply"]).fails(1, &["counter slots"]);
    let (_, steps) = refused.split_once("with this file: ").unwrap();
    for step in steps.split('`').skip(1).step_by(2) {
        let _ = host.run(&step.split(' ').collect::<Vec<_>>()).done();
    }
    let status = host.json(&["status"]);
    assert_eq!((&status["configured"]["psaps"], &status["mode"]), (&601.into(), &"enforce".into()));
    assert!(host.link("wan0").is_some());
}

/// The promise of the package: an upgrade never detaches, re-attaches or changes the mode.
#[test]
fn an_upgrade_leaves_the_guard_where_it_is() {
    let Some(host) = guarded() else { return };
    let before = (host.link("wan0").unwrap(), host.json(&["status"]));
    let daemon = active(&host, "");
    let (_folder, package) = later("0.1.1-1", |_| {});
    install(&host, &package);
    let daemon = active(&host, &daemon);
    assert_eq!(host.link("wan0"), Some(before.0), "the same link and the same program");
    let after = host.json(&["status"]);
    for same in ["mode", "stance", "generation"] {
        assert_eq!(after[same], before.1[same], "{same}");
    }
    assert!(journal(&host).contains("adopted what was pinned"), "{}", journal(&host));
    // Another program takes the place of the old one, on the same link.
    let (_folder, package) = later("0.2.0-1", other_program);
    install(&host, &package);
    active(&host, &daemon);
    let (link, program) = host.link("wan0").unwrap();
    assert_eq!(link, before.0.0, "never detached");
    assert_ne!(program, before.0.1, "replaced");
    let after = host.json(&["status"]);
    assert_eq!((&after["mode"], &after["stance"]), (&before.1["mode"], &before.1["stance"]));
    // What an operator stopped stays stopped, and what it left stays where it is.
    let _ = host.run(&["systemctl", "stop", "guard"]).done();
    let (_folder, package) = later("0.2.1-1", other_program);
    install(&host, &package);
    assert_eq!(host.property("guard", "ActiveState"), "inactive");
    assert_eq!(host.link("wan0"), Some((link, program)));
}

/// A configuration that was edited is the operator's: dpkg keeps it.
#[test]
fn removed_and_purged_nothing_is_left() {
    let Some(host) = Debian::new() else { return };
    let before = files(&host);
    install(&host, &made(".deb"));
    fs::write(host.path("/etc/guard/guard.toml"), CONFIG).unwrap();
    let _ = host.run(&["guard", "apply"]).done();
    assert!(host.link("wan0").is_some());
    let said = host.run(&["dpkg", "--remove", "guard"]).done();
    assert_eq!(host.link("wan0"), None, "{said:?}");
    assert!(!host.path("/sys/fs/bpf/guard").exists() && !host.path("/usr/bin/guard").exists());
    assert_eq!(fs::read_to_string(host.path("/etc/guard/guard.toml")).unwrap(), CONFIG);
    let log = fs::read_to_string(host.path("/var/lib/guard/audit.jsonl")).unwrap();
    assert!(log.contains("is being removed"), "{log}");
    let _ = host.run(&["dpkg", "--purge", "guard"]).done();
    let left: Vec<_> = files(&host).difference(&before).cloned().collect();
    assert!(left.is_empty(), "{left:?}");
}

/// Where the guard cannot be taken off, the package stays, and everything passes.
#[test]
fn a_removal_that_breaks_off_keeps_the_tools_and_passes_everything() {
    let Some(host) = guarded() else { return };
    let _ = host.run(&["systemctl", "stop", "guard"]).done();
    // A daemon that systemd does not know, and so cannot stop.
    let unit = "by-hand";
    let start = ["systemd-run", "--unit", unit, "guard", "run", "-c", "/etc/guard/guard.toml"];
    let _ = host.run(&start).done();
    let is_up = || host.json(&["status"])["controller"]["process"].is_number();
    assert!(guard_tests::guard_process::eventually(crate::SOON, is_up));
    let before = host.link("wan0");
    let refused = host.run(&["dpkg", "--remove", "guard"]);
    assert_ne!(refused.code, Some(0), "{refused:?}");
    assert!(refused.err.contains("lets everything pass"), "{refused:?}");
    assert_eq!(host.link("wan0"), before);
    let status = host.json(&["status"]);
    assert_eq!(status["stance"], "bypassed", "{status}");
    // Then it works.
    let _ = host.run(&["systemctl", "stop", unit]).done();
    let _ = host.run(&["dpkg", "--purge", "guard"]).done();
    assert_eq!(host.link("wan0"), None);
}
