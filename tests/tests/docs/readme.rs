//! README.md: what it shows of the command line is what the command line takes.

use std::fs;
use std::path::Path;
use std::process::Command;

use guard_tests::guard_process::{Answer, answer, binary};

/// A command, and what is said of it.
struct Shown {
    words: Vec<String>,
    comment: String,
}

/// The words of a line as a shell has them, as far as README.md needs one.
fn split(line: &str) -> Vec<String> {
    let parts = line.split('"').enumerate();
    let words = parts.flat_map(|(number, part)| match number % 2 {
        0 => part.split_whitespace().map(str::to_owned).collect(),
        _ => vec![part.to_owned()],
    });
    words.collect()
}

/// The commands of the blocks, and those that are quoted in the text.
fn shown(text: &str) -> Vec<Shown> {
    let mut found = Vec::new();
    // What is between fences comes second.
    for (number, part) in text.split("\n```").enumerate() {
        if number % 2 == 1 {
            found.extend(block(part));
            continue;
        }
        let quoted = part.split('`').skip(1).step_by(2).filter(|it| it.starts_with("guard "));
        found.extend(quoted.map(|it| Shown { words: split(it), comment: String::new() }));
    }
    found
}

/// Commands with what is said of them, on the same line and on those below.
fn block(text: &str) -> Vec<Shown> {
    let mut found: Vec<Shown> = Vec::new();
    for line in text.lines() {
        if line.starts_with("guard ") {
            let (commands, comment) = line.split_once(" #").unwrap_or((line, ""));
            let shown = |command| Shown { words: split(command), comment: comment.to_owned() };
            found.extend(commands.split(" ; ").map(shown));
        } else if let (Some(more), Some(last)) = (line.split_once(" # "), found.last_mut()) {
            last.comment += more.1;
        }
    }
    found
}

/// What the command line says of these words, without doing what they say: help comes before.
fn parsed(words: &[String]) -> Answer {
    answer(Command::new(binary()).args(words.iter().skip(1)).arg("--help"))
}

#[test]
fn the_command_line_takes_what_the_readme_shows() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let shown = shown(&fs::read_to_string(path).unwrap());
    assert!(shown.len() > 25, "{}", shown.len());
    let mut options = 0;
    for Shown { words, comment } in &shown {
        let answer = parsed(words);
        assert_eq!(answer.code, Some(0), "README.md: {}: {}", words.join(" "), answer.err);
        let verb = answer.out.split_once("Usage: guard ").unwrap().1;
        assert!(verb.starts_with(words[1].as_str()), "{}: {verb}", words.join(" "));
        // Options that are named beside it; of two on a line, those of the last.
        let word = |c: char| !c.is_ascii_alphabetic() && c != '-';
        for option in comment.split(word).filter(|it| it.starts_with("--")) {
            assert!(answer.out.contains(option), "README.md: {}: {option}", words.join(" "));
            options += 1;
        }
    }
    assert!(options >= 3, "{options}");
    // What it does not take is told apart.
    for wrong in ["guard nonsense", "guard status --nonsense", "guard deny add a b --reason c"] {
        assert_ne!(parsed(&split(wrong)).code, Some(0), "{wrong}");
    }
}
