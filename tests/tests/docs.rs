//! What the documentation shows is what happens: each command of a `console` block is run, in
//! order, on a Debian host of its own, and has to say what is written below it.
//!
//! How many there were, times and the widths of columns may differ; whether there were any, addresses
//! and words may not. `GUARD_WRITE_DOCS=1` writes what was said.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed test may panic"
)]

#[path = "docs/page.rs"]
mod page;
#[path = "docs/readme.rs"]
mod readme;
#[path = "docs/reference.rs"]
mod reference;

use std::fs;
use std::path::{Path, PathBuf};

use guard_tests::debian::Debian;
use guard_tests::packages::made;

use self::page::{Page, Step};

/// The pages that show commands.
const PAGES: [&str; 2] = ["tour.md", "operations.md"];
/// Where a reader is.
const HERE: &str = "/root/guard";
/// Somebody else at the other end of a cable: a stranger, and a carrier.
const NETWORK: &str = "ip netns add far; ip link set far0 netns far; \
    ip addr add 198.51.100.1/24 dev wan0; ip netns exec far sh -c 'ip link set far0 up; \
    ip addr add 198.51.100.250/24 dev far0; ip addr add 192.0.2.17/28 dev far0'; sleep 3";

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs")
}

/// A host with what a reader has: the package, and the examples.
fn host() -> Option<Debian> {
    let host = Debian::new()?;
    let here = host.path(HERE);
    fs::create_dir_all(&here).unwrap();
    let package = made(".deb");
    fs::copy(&package, here.join(package.file_name().unwrap())).unwrap();
    for entry in fs::read_dir(docs().join("examples")).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, here.join(path.file_name().unwrap())).unwrap();
    }
    let _ = host.run(&["sh", "-c", NETWORK]).done();
    Some(host)
}

/// Runs a line as a reader types it; what is seen.
fn typed(host: &Debian, line: &str) -> String {
    let line = format!("cd {HERE}; exec 2>&1\n{line}");
    let answer = host.run(&["bash", "-c", &line]);
    answer.out.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// Runs a page; says what differs.
fn run(name: &str) {
    let Some(host) = host() else { return };
    let path = docs().join(name);
    let mut page = Page::parse(&fs::read_to_string(&path).unwrap());
    let mut wrong = Vec::new();
    for step in &mut page.steps {
        match step {
            Step::Hidden(line) => {
                let answer = host.run(&["bash", "-c", &format!("cd {HERE}; {line}")]);
                assert_eq!(answer.code, Some(0), "{line}: {answer:?}");
            }
            Step::Shown { line, output } => {
                let said = typed(&host, line);
                if page::loosely(&said) != page::loosely(output) {
                    wrong.push(format!("$ {line}\n--- written\n{output}--- said\n{said}"));
                }
                *output = said;
            }
            Step::Text(_) => {}
        }
    }
    if std::env::var_os("GUARD_WRITE_DOCS").is_some() {
        fs::write(&path, page.to_string()).unwrap();
        return;
    }
    assert!(
        wrong.is_empty(),
        "docs/{name} shows something else; GUARD_WRITE_DOCS=1 cargo xtask test docs writes it:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn the_tour_goes_as_it_is_told() {
    run("tour.md");
}

#[test]
fn operations_go_as_they_are_told() {
    run("operations.md");
}

/// No page shows a command that nobody runs.
#[test]
fn every_shown_command_is_run() {
    let mut pages: Vec<PathBuf> = Vec::new();
    for folder in [docs(), docs().join("reference")] {
        pages.extend(fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()));
    }
    for path in pages.iter().filter(|path| path.extension().is_some_and(|it| it == "md")) {
        let name = path.strip_prefix(docs()).unwrap().to_string_lossy().into_owned();
        let page = Page::parse(&fs::read_to_string(path).unwrap());
        let shown = page.steps.iter().any(|step| matches!(step, Step::Shown { .. }));
        assert_eq!(shown, PAGES.contains(&name.as_str()), "{name}: to PAGES?");
        let outside = page.steps.iter().any(
            |step| matches!(step, Step::Text(line) if line.trim_start().starts_with("$ guard")),
        );
        assert!(!outside, "{name}: a command outside of a console block");
    }
}
