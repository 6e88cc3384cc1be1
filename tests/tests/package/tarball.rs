//! The static binary: it needs nothing but a kernel.

use std::fs;
use std::process::Command;

use guard_tests::guard_process::answer;
use guard_tests::packages::made;
use guard_tests::privilege::require_bpf;

use crate::CONFIG;

#[test]
fn the_static_binary_runs_in_an_empty_root() {
    if !require_bpf() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut tar = Command::new("tar");
    tar.arg("--extract").arg("--file").arg(made("-static.tar.gz"));
    let _ = answer(tar.arg("--directory").arg(folder.path()).arg("--strip-components=1")).done();
    for file in [
        "guard.service",
        "guard.toml",
        "man/guard.8.gz",
        "completions/_guard",
        "LICENSE-MIT",
        "docs/prometheus/guard.rules.yml",
        "docs/prometheus/guard-dashboard.json",
    ] {
        assert!(folder.path().join(file).is_file(), "{file}");
    }
    let binary = folder.path().join("guard");
    let dynamic = answer(Command::new("readelf").arg("--dynamic").arg(&binary)).done().out;
    assert!(!dynamic.contains("(NEEDED)"), "{dynamic}");
    // Nothing is there but the binary and its configuration.
    let root = folder.path().join("root");
    fs::create_dir(&root).unwrap();
    fs::copy(&binary, root.join("guard")).unwrap();
    fs::write(root.join("guard.toml"), CONFIG.replace("mode = 'enforce'\n", "")).unwrap();
    let chroot = |words: &[&str]| answer(Command::new("chroot").arg(&root).args(words));
    assert!(chroot(&["/guard", "--version"]).done().out.starts_with("guard "));
    let said = chroot(&["/guard", "check", "/guard.toml"]).done().out;
    assert!(said.contains("1 interfaces, 1 PSAPs"), "{said}");
}
