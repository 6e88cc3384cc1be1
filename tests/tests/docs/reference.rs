//! The reference tables name what the code names: every reason, every exit code, every key.

use std::fs;
use std::process::Command;

use guard_common::reason::Reason;
use guard_tests::guard_process::{answer, binary};

use crate::docs;

fn page(name: &str) -> String {
    fs::read_to_string(docs().join("reference").join(name)).unwrap()
}

/// The cells of each row of the tables on a page.
fn rows(page: &str) -> Vec<Vec<String>> {
    let lines = page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| -"));
    let cell = |cell: &str| cell.trim().trim_matches('`').to_owned();
    lines.map(|line| line.trim_matches('|').split('|').map(cell).collect()).collect()
}

#[test]
fn every_reason_is_told_with_its_number_and_class() {
    let rows = rows(&page("reasons.md"));
    let mut told = 0;
    for reason in Reason::all().filter(|reason| reason.is_in_use()) {
        let row = rows.iter().find(|row| row.first().is_some_and(|name| name == reason.name()));
        let row =
            row.unwrap_or_else(|| panic!("{} ({}) is not told", reason.name(), reason.number()));
        let expected = [reason.number().to_string(), reason.class().name().to_owned()];
        assert_eq!(row.get(1..3), Some(&expected[..]), "{}", reason.name());
        assert!(row.get(3).is_some_and(|meaning| meaning.len() > 10), "{}", reason.name());
        told += 1;
    }
    let numbered = rows.iter().filter(|row| row.get(1).is_some_and(|it| it.parse::<u8>().is_ok()));
    assert_eq!(numbered.count(), told, "a reason that is no more");
}

#[test]
fn every_exit_code_is_told() {
    let help = answer(Command::new(binary()).arg("--help")).done().out;
    let help: Vec<&str> = help.split_whitespace().collect();
    let (_, codes) = help
        .join(" ")
        .split_once("Exit codes: ")
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    let rows = rows(&page("exit-codes.md"));
    // A meaning may have commas, too.
    let is_next = |rest: &str| rest.starts_with(|c: char| c.is_ascii_digit());
    let mut each: Vec<String> = Vec::new();
    for part in codes.split(", ") {
        match each.last_mut().filter(|_| !is_next(part)) {
            Some(code) => code.extend([", ", part]),
            None => each.push(part.to_owned()),
        }
    }
    for code in &each {
        let (number, meaning) = code.split_once(' ').unwrap();
        let meaning = meaning.replace('`', "");
        let row = rows.iter().find(|row| row.first().is_some_and(|cell| cell == number)).unwrap();
        assert_eq!(row.get(1).map(|cell| cell.replace('`', "")), Some(meaning), "{number}");
    }
}

/// The page of the configuration tells every section that the example has.
#[test]
fn every_section_is_told() {
    let example = fs::read_to_string(docs().join("guard.example.toml")).unwrap();
    let page = page("configuration.md");
    let sections = example.lines().filter(|line| line.starts_with('['));
    for section in sections {
        let section = section.split('#').next().unwrap().trim();
        assert!(page.contains(&format!("`{section}`")), "{section}");
    }
}

/// No page points to one that is not there.
#[test]
fn every_link_leads_somewhere() {
    let readme = docs().join("../README.md");
    let folders = [docs(), docs().join("reference")];
    let entries = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap());
    let pages = entries.map(|entry| entry.unwrap().path()).chain([readme]);
    let mut links = 0;
    for page in pages.filter(|path| path.extension().is_some_and(|it| it == "md")) {
        let text = fs::read_to_string(&page).unwrap();
        for after in text.split("](").skip(1) {
            let link = after.split(')').next().unwrap().split('#').next().unwrap();
            if link.is_empty() || link.contains("://") {
                continue;
            }
            let target = page.parent().unwrap().join(link);
            assert!(target.exists(), "{}: {link}", page.display());
            links += 1;
        }
    }
    assert!(links > 20, "{links}");
}
