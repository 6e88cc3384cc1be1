//! `guard doctor`: what is wrong with a host is found, and said with the next step, whatever is
//! missing.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed test may panic")]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use guard_tests::guard_process::{Answer, Site, answer};
use guard_tests::privilege::skip;
use guard_user::report::SCHEMA;
use serde_json::Value;

/// A site with a configuration; `None`, said loudly, where no test can run.
fn site() -> Option<Site> {
    Site::with(Site::config)
}

/// The findings of an answer, each with what it has to have.
fn findings(answer: &Answer) -> Vec<Value> {
    let report = answer.json();
    assert_eq!(report["schema"], SCHEMA);
    let found = report["findings"].as_array().unwrap().clone();
    for finding in &found {
        let mark = finding["mark"].as_str().unwrap();
        assert!(["ok", "unknown", "warn", "fail"].contains(&mark), "{finding}");
        assert!(!finding["text"].as_str().unwrap().contains('\n'), "{finding}");
        assert_eq!(
            finding["next"].is_null(),
            mark == "ok",
            "a next step if, and only if: {finding}"
        );
    }
    let fails = found.iter().any(|finding| finding["mark"] == "fail");
    assert_eq!(answer.code, Some(i32::from(fails)), "{found:#?}");
    assert_eq!(report["worst"] == "fail", fails);
    found
}

/// What the doctor says, as root, of the site's configuration.
fn examined(site: &Site) -> Vec<Value> {
    findings(&site.guard(&["doctor", "--json", "--config", &site.file().to_string_lossy()]))
}

/// Asserts that there is a finding of this mark and subject whose text has these words.
#[track_caller]
fn says(found: &[Value], mark: &str, subject: &str, words: &str) {
    let fits = |finding: &&Value| {
        finding["mark"] == mark
            && finding["subject"].as_str().unwrap().ends_with(subject)
            && finding["text"].as_str().unwrap().contains(words)
    };
    assert!(
        found.iter().any(|finding| fits(&finding)),
        "no {mark} {subject} {words:?}: {found:#?}"
    );
}

/// Adds an interface to a configuration.
fn with(site: &Site, name: &str, more: &str) -> String {
    format!("{}\n[[interface]]\nname = '{name}'\nrole = 'trusted'\n{more}\n", site.config())
}

#[test]
fn a_host_that_is_well_is_said_to_be() {
    let Some(site) = site() else { return };
    let found = examined(&site);
    says(&found, "ok", "program", "takes the guard's program");
    says(&found, "ok", "jit", "compiled");
    says(&found, "ok", "btf", "types");
    says(&found, "ok", "bpffs", "can be written");
    says(&found, "ok", "guard.toml", "right");
    says(&found, "ok", "guard", "none is loaded");
    says(&found, "ok", "wan0", "veth runs XDP natively");
    says(&found, "ok", "wan0", "no XDP program");
    assert!(found.iter().all(|finding| finding["mark"] != "fail"), "{found:#?}");
    let _daemon = site.start();
    let found = examined(&site);
    says(&found, "ok", "guard", "keeps it awake");
    says(&found, "ok", "wan0", "this guard is on it in native mode");
    assert!(found.iter().all(|finding| finding["mark"] != "fail"), "{found:#?}");
    // What people read fits their terminal.
    let text = site.guard(&["doctor", "--config", &site.file().to_string_lossy()]).done().out;
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    assert!(text.contains("ok    wan0: veth runs XDP natively"), "{text}");
}

#[test]
fn foreign_programs_are_found() {
    let Some(site) = site() else { return };
    let foreign = site.occupy("wan0");
    says(&examined(&site), "fail", "wan0", "a foreign XDP program is on it");
    drop(foreign);
    says(&examined(&site), "ok", "wan0", "no XDP program");
}

#[test]
fn a_guard_of_somebody_else_is_told_from_ours() {
    let Some(site) = site() else { return };
    let role = "role = 'trusted'";
    site.configure(&site.config().replace(role, &format!("{role}\noutgoing = true")));
    let _daemon = site.start();
    let file = site.file().display().to_string();
    let elsewhere = site.path("bpf/other").display().to_string();
    let answer = site.guard(&["doctor", "--json", "--config", &file, "--pin-dir", &elsewhere]);
    let found = findings(&answer);
    says(&found, "fail", "wan0", "another guard's XDP program");
    says(&found, "warn", "wan0", "foreign tc programs see what leaves");
    let ours = examined(&site);
    assert!(!ours.iter().any(|it| it["text"].as_str().unwrap().contains("foreign")), "{ours:#?}");
}

#[test]
fn interfaces_that_make_the_guard_slow_or_blind_are_found() {
    let Some(site) = site() else { return };
    let ip = |arguments: &str| site.host.ip(&arguments.split(' ').collect::<Vec<_>>());
    // A device without native XDP: what this kernel has of them.
    let slow = ["dummy", "ifb"]
        .into_iter()
        .find(|kind| ip(&format!("link add slow0 type {kind}")).is_ok());
    let Some(slow) = slow else { return skip("this kernel has no device without native XDP") };
    site.configure(&with(&site, "slow0", "attach = 'auto'"));
    let found = examined(&site);
    says(&found, "warn", "slow0", &format!("{slow} cannot run XDP natively"));
    site.configure(&with(&site, "slow0", ""));
    says(&examined(&site), "fail", "slow0", "native is what is configured");
    ip("link set wan0 mtu 9000").unwrap();
    says(&examined(&site), "ok", "wan0", "MTU 9000: the driver shows large frames");
    site.configure(&with(&site, "gone0", ""));
    says(&examined(&site), "fail", "gone0", "no such interface");
    for (kind, words) in [("bond", "a bond:"), ("bridge", "a bridge:")] {
        if let Err(error) = ip(&format!("link add {kind}0 type {kind}")) {
            eprintln!("not looked at, this kernel has no {kind}: {error:#}");
            continue;
        }
        site.configure(&with(&site, &format!("{kind}0"), "attach = 'auto'"));
        says(&examined(&site), "warn", &format!("{kind}0"), words);
        ip(&format!("link add port0 type {slow}")).unwrap();
        ip(&format!("link set port0 master {kind}0")).unwrap();
        site.configure(&with(&site, "port0", "attach = 'auto'"));
        says(&examined(&site), "ok", "port0", &format!("it belongs to the {kind} {kind}0"));
        ip("link del port0").unwrap();
    }
    ip("link add tunnel0 type ipip local 198.51.100.10 remote 198.51.100.20").map_or_else(
        |error| eprintln!("no tunnels here: {error:#}"),
        |()| {
            site.configure(&with(&site, "tunnel0", ""));
            says(&examined(&site), "fail", "tunnel0", "no Ethernet header");
        },
    );
}

#[test]
fn tags_that_are_taken_off_are_found_where_they_matter() {
    let Some(site) = site() else { return };
    let strips = site.host.succeed("ethtool", &["-K", "lan0", "rxvlan", "on"]).is_ok();
    site.configure(&with(&site, "lan0", "vlans = [{ id = 100, role = 'trusted' }]"));
    if strips {
        says(&examined(&site), "warn", "lan0", "VLAN tags are taken off");
    }
    site.host.succeed("ethtool", &["-K", "lan0", "rxvlan", "off"]).unwrap();
    let found = examined(&site);
    assert!(!found.iter().any(|finding| finding["text"].as_str().unwrap().contains("VLAN tags")));
}

#[test]
fn a_broken_configuration_is_told_with_its_line() {
    let Some(site) = site() else { return };
    site.configure("[guard]\nmode = 'sometimes'\n");
    let found = examined(&site);
    says(&found, "fail", "guard.toml", "line 2");
    // Without it, all that could be guarded is looked at.
    says(&found, "ok", "wan0", "veth runs XDP natively");
    fs::write(site.file(), [0xff, 0xfe, 0, 1]).unwrap();
    says(&examined(&site), "fail", "guard.toml", "cannot be read");
    fs::remove_file(site.file()).unwrap();
    says(&examined(&site), "warn", "guard.toml", "there is no such file");
}

#[test]
fn places_that_are_wrong_are_found() {
    let Some(site) = site() else { return };
    let file = site.file().display().to_string();
    let nowhere = site.path("nowhere/at/all").display().to_string();
    let answer = site.guard(&["doctor", "--json", "--config", &file, "--pin-dir", &nowhere]);
    says(&findings(&answer), "fail", "bpffs", "on no BPF file system");

    fs::create_dir_all(site.state()).unwrap();
    fs::set_permissions(site.state(), Permissions::from_mode(0o777)).unwrap();
    says(&examined(&site), "fail", "state", "others may write");
    fs::set_permissions(site.state(), Permissions::from_mode(0o700)).unwrap();
    fs::write(site.state().join("slots.json"), "{}").unwrap();
    std::os::unix::fs::chown(site.state().join("slots.json"), Some(4711), None).unwrap();
    says(&examined(&site), "warn", "state", "not its folder's owner's");
    fs::remove_dir_all(site.state()).unwrap();

    let size = ["-t", "tmpfs", "-o", "size=8m", "tmpfs"];
    fs::create_dir_all(site.state()).unwrap();
    let state = site.state().display().to_string();
    let mounted = std::process::Command::new("mount").args(size).arg(&state).status().unwrap();
    assert!(mounted.success());
    says(&examined(&site), "fail", "disk", "MB are free");
    assert!(std::process::Command::new("umount").arg(&state).status().unwrap().success());
}

#[test]
fn a_guard_that_nobody_keeps_awake_is_found() {
    let Some(site) = site() else { return };
    site.start().kill();
    says(&examined(&site), "warn", "guard", "no daemon keeps it awake");
}

#[test]
fn nobody_needs_root_to_be_told_what_can_be_seen() {
    let Some(site) = site() else { return };
    let _daemon = site.start();
    let file = site.file().display().to_string();
    let starter = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"];
    let answer = answer(&mut site.command_by(&starter, &["doctor", "--json", "--config", &file]));
    let found = findings(&answer);
    says(&found, "unknown", "capabilities", "CAP_BPF");
    says(&found, "unknown", "program", "cannot be tried");
    says(&found, "unknown", "guard", "not permitted");
    says(&found, "ok", "version", "Linux");
}

#[test]
fn a_jit_that_is_off_is_found() {
    let Some(site) = site() else { return };
    // A fake of the file is no fake of the kernel: it is all that there is to look at.
    let switch = "/proc/sys/net/core/bpf_jit_enable";
    let fake = site.path("jit");
    fs::write(&fake, "0\n").unwrap();
    let mut mount = std::process::Command::new("mount");
    let mounted =
        mount.args(["--bind".as_ref(), fake.as_os_str(), switch.as_ref()]).status().unwrap();
    if !mounted.success() {
        return skip("nothing can be mounted over a file of /proc here");
    }
    // The switch is seen in the host's own network namespace alone, and only who may load nothing
    // goes by it.
    let _ = site.command_by(&["true"], &[]);
    let mut command = std::process::Command::new("setpriv");
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
    command.arg(site.path("guard-copy")).args(["doctor", "--json", "--config"]).arg(site.file());
    let found = findings(&answer(&mut command));
    let unmounted = std::process::Command::new("umount").arg(switch).status().unwrap();
    assert!(unmounted.success());
    says(&found, "fail", "jit", "the JIT is off");
}
