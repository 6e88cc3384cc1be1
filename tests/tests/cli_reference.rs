//! `docs/cli.md`, man pages and completions say what the command line takes.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a failed test may panic")]

use std::fs;
use std::path::Path;
use std::process::Command;

use guard_tests::guard_process::{Answer, answer, binary};

fn guard(arguments: &[&str]) -> Answer {
    answer(Command::new(binary()).args(arguments))
}

/// Verbs as their `--help` names them, those below others included.
fn verbs(above: &[&str]) -> Vec<String> {
    let help = guard(&[above, &["--help"]].concat()).done().out;
    let listed = help.split_once("Commands:\n").map_or("", |(_, after)| after);
    let lines = listed.lines().take_while(|line| line.starts_with("  "));
    let names = lines.filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    let mut found = Vec::new();
    for name in names.filter(|name| !name.is_empty() && *name != "help") {
        let whole = [above, &[name]].concat();
        found.push(whole.join(" "));
        found.extend(verbs(&whole));
    }
    found
}

/// `GUARD_WRITE_DOCS=1` writes it.
#[test]
fn the_page_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/cli.md");
    // However wide the terminal of whoever makes it.
    let page = guard(&["generate", "reference"]).done().out;
    if std::env::var_os("GUARD_WRITE_DOCS").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == page,
        "docs/cli.md is another; GUARD_WRITE_DOCS=1 cargo xtask test cli_reference writes it"
    );
    for verb in verbs(&[]) {
        assert!(page.contains(&format!("\n## guard {verb}\n")), "{verb}");
    }
}

#[test]
fn every_verb_has_a_man_page_and_completions() {
    let folder = tempfile::tempdir().unwrap();
    let [man, completions] = ["man", "completions"].map(|name| folder.path().join(name));
    let _ = guard(&["generate", "man", &man.to_string_lossy()]).done();
    let _ = guard(&["generate", "completions", &completions.to_string_lossy()]).done();
    let all = verbs(&[]);
    assert!(all.len() > 30 && all.contains(&"psap import".to_owned()), "{all:?}");
    for verb in &all {
        let page = man.join(format!("guard-{}.8", verb.replace(' ', "-")));
        let text = fs::read_to_string(&page).unwrap_or_else(|e| panic!("{}: {e}", page.display()));
        assert!(text.starts_with(".ie") && text.contains(".SH SYNOPSIS"), "{verb}: {text}");
    }
    for (file, sign) in
        [("guard.bash", "complete "), ("_guard", "#compdef guard"), ("guard.fish", "complete -c")]
    {
        let text = fs::read_to_string(completions.join(file)).unwrap();
        assert!(text.contains(sign) && text.contains("suggest"), "{file}");
    }
    // A shell takes its own, where it is here.
    if Path::new("/bin/bash").exists() {
        let script = completions.join("guard.bash");
        let script = format!("source {} && complete -p guard", script.display());
        let said = answer(Command::new("/bin/bash").args(["-c", &script])).done().out;
        assert!(said.contains("_guard"), "{said}");
    }
}
