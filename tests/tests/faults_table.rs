//! `docs/faults.md` says what the tests hold, and every test it names is there.

#![expect(clippy::unwrap_used, reason = "a failed test may panic")]

use std::fs;
use std::path::{Path, PathBuf};

use guard_tests::faults::{GROUPS, page};

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The names of the tests in a module of a file of tests.
fn tests(file: &str, module: &str) -> Vec<String> {
    let path = here(&format!("tests/{file}/{module}.rs"));
    let text = fs::read_to_string(&path).unwrap_or_default();
    let after = text.split("#[test]\n").skip(1);
    let name = |text: &str| Some(text.split_once("fn ")?.1.split_once('(')?.0.to_owned());
    after.filter_map(name).collect()
}

/// What is written is what the tests are registered for; `GUARD_WRITE_DOCS=1` writes it.
#[test]
fn the_page_is_up_to_date() {
    let path = here("../docs/faults.md");
    if std::env::var_os("GUARD_WRITE_DOCS").is_some() {
        fs::write(&path, page()).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == page(),
        "docs/faults.md is another; GUARD_WRITE_DOCS=1 cargo xtask test faults_table writes it"
    );
}

#[test]
fn every_test_it_names_is_there() {
    let faults = GROUPS.iter().flat_map(|group| group.faults);
    for fault in faults {
        let parts: Vec<&str> = fault.test.split("::").collect();
        let [file, module, name] = parts[..] else { panic!("{}: file::module::name", fault.test) };
        assert!(tests(file, module).iter().any(|test| test == name), "no test {}", fault.test);
    }
}

/// No fault is tested and not told.
#[test]
fn every_fault_is_in_it() {
    let faults: Vec<&str> =
        GROUPS.iter().flat_map(|group| group.faults).map(|fault| fault.test).collect();
    for file in ["faults", "outages"] {
        for entry in fs::read_dir(here(&format!("tests/{file}"))).unwrap() {
            let path = entry.unwrap().path();
            let module = path.file_stem().unwrap().to_string_lossy().into_owned();
            for name in tests(file, &module) {
                let test = format!("{file}::{module}::{name}");
                assert!(
                    faults.contains(&test.as_str()),
                    "{test} is not in tests/src/faults/table.rs"
                );
            }
        }
    }
}
