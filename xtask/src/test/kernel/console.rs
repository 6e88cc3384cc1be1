//! What the emulated machine says on its console, and what to make of it.
//!
//! Only lines that `init.sh` marks count. The run succeeded if every planned binary ended with
//! code 0 and the machine said that it is done: anything that is missing is a failure.

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};

/// What `init.sh` puts before what it has to say.
const MARK: &str = "guard-machine ";

/// A line of the console.
#[derive(Debug, PartialEq, Eq)]
enum Line<'a> {
    /// The machine is ready; its kernel.
    Runs(&'a str),
    /// What it could not do to get ready.
    Cannot(&'a str),
    /// A test binary begins.
    Begins(&'a str),
    /// A test binary ended with this exit code.
    Ended(&'a str, i32),
    /// All binaries ran; how many failed.
    Done(u32),
    /// Anything else.
    Text(&'a str),
}

fn read(line: &str) -> Line<'_> {
    let text = Line::Text(line);
    let Some((verb, rest)) = line.strip_prefix(MARK).and_then(|said| said.split_once(' ')) else {
        return text;
    };
    match verb {
        "runs" => Line::Runs(rest),
        "cannot" => Line::Cannot(rest),
        "begins" => Line::Begins(rest),
        "ended" => rest
            .split_once(' ')
            .and_then(|(name, code)| Some(Line::Ended(name, code.parse().ok()?)))
            .unwrap_or(text),
        "done" => rest.parse().map_or(text, Line::Done),
        _ => text,
    }
}

/// A test binary that ended.
struct Ended {
    name: String,
    code: i32,
    time: Duration,
}

/// What happened so far.
#[derive(Default)]
pub struct Report {
    kernel: Option<String>,
    cannot: Option<String>,
    running: Option<(String, Instant)>,
    ended: Vec<Ended>,
    done: Option<u32>,
    last: String,
}

impl Report {
    /// Takes a line; what of it people should see.
    pub fn hear(&mut self, line: &str) -> Option<String> {
        let line = line.trim_end();
        match read(line) {
            Line::Runs(kernel) => {
                self.kernel = Some(kernel.to_owned());
                Some(format!("Linux {kernel} is up"))
            }
            Line::Cannot(what) => {
                self.cannot = Some(what.to_owned());
                None
            }
            Line::Begins(name) => {
                self.running = Some((name.to_owned(), Instant::now()));
                Some(format!("\n---- {name}"))
            }
            Line::Ended(name, code) => {
                let begun = self.running.take();
                let time = begun.map_or(Duration::ZERO, |(_, begun)| begun.elapsed());
                self.ended.push(Ended { name: name.to_owned(), code, time });
                None
            }
            Line::Done(failed) => {
                self.done = Some(failed);
                None
            }
            Line::Text("") => None,
            Line::Text(text) => {
                text.clone_into(&mut self.last);
                Some(text.to_owned())
            }
        }
    }

    /// Where the machine was when it was last heard.
    pub fn whereabouts(&self) -> String {
        let place = match (&self.running, &self.kernel) {
            (Some((name, _)), _) => format!("while {name} ran"),
            (None, Some(_)) => "between two test binaries".to_owned(),
            (None, None) => "while it started up".to_owned(),
        };
        format!("{place}; its last line: {:?}", self.last)
    }

    /// How each binary ended, and whether all of the plan succeeded.
    pub fn verdict(&self, planned: &[&str]) -> Result<()> {
        eprintln!("\nOn Linux {}:", self.kernel.as_deref().unwrap_or("that never came up"));
        let mut failed = Vec::new();
        for &name in planned {
            let ended = self.ended.iter().find(|ended| ended.name == name);
            let seconds = ended.map_or(0.0, |ended| ended.time.as_secs_f64());
            match ended.map(|ended| ended.code) {
                Some(0) => eprintln!("        PASS [{seconds:>7.1} s] {name}"),
                Some(code) => eprintln!("        FAIL [{seconds:>7.1} s] {name}: exit code {code}"),
                None => eprintln!("        FAIL [  never  ] {name}: did not run to its end"),
            }
            if ended.is_none_or(|ended| ended.code != 0) {
                failed.push(name);
            }
        }
        if let Some(what) = &self.cannot {
            bail!("the machine cannot {what}");
        }
        let Some(failures) = self.done else {
            bail!("the machine ended before it was done, {}", self.whereabouts());
        };
        let (some, all) = (failed.len(), planned.len());
        ensure!(some == 0, "{some} of {all} test binaries failed: {}", failed.join(", "));
        ensure!(failures == 0, "the machine counts {failures} test binaries that failed");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(lines: &[&str]) -> std::result::Result<(), String> {
        let mut report = Report::default();
        for line in lines {
            report.hear(line);
        }
        report.verdict(&["limits", "edges"]).map_err(|error| error.to_string())
    }

    #[test]
    fn only_a_whole_run_succeeds() {
        let whole = [
            "guard-machine runs 6.1.0-56-cloud-amd64\r",
            "guard-machine begins limits\r",
            "test one ... ok\r",
            "guard-machine ended limits 0\r",
            "guard-machine begins edges\r",
            "guard-machine ended edges 0\r",
            "guard-machine done 0\r",
        ];
        assert_eq!(after(&whole), Ok(()));
        // Whatever is missing, cut off or garbled.
        for (number, line) in whole.iter().enumerate() {
            if ["ended", "done"].iter().any(|word| line.contains(word)) {
                let mut other = whole;
                if let Some(place) = other.get_mut(number) {
                    *place = "[   12.3] Kernel panic - not syncing: Oops";
                }
                assert!(after(&other).is_err(), "without {line}");
            }
        }
    }

    #[test]
    fn a_failure_names_the_binary() {
        let ended = ["guard-machine ended limits 0", "guard-machine ended edges 101"];
        let done = [ended.as_slice(), &["guard-machine done 1"]].concat();
        assert_eq!(after(&done), Err("1 of 2 test binaries failed: edges".to_owned()));
        let one = ["guard-machine ended limits 0", "guard-machine done 0"];
        assert_eq!(after(&one), Err("1 of 2 test binaries failed: edges".to_owned()));
        let wrong =
            ["guard-machine ended limits 0", "guard-machine ended edges 0", "guard-machine done 1"];
        assert!(after(&wrong).is_err());
        let cannot = "the machine cannot insmod /modules/3-veth.ko".to_owned();
        assert_eq!(after(&["guard-machine cannot insmod /modules/3-veth.ko"]), Err(cannot));
        let panic = ["guard-machine runs 6.1.0", "guard-machine begins edges", "Kernel panic"];
        let ended = "the machine ended before it was done, while edges ran; its last line: \"Kernel panic\"";
        assert_eq!(after(&panic), Err(ended.to_owned()));
    }

    #[test]
    fn all_but_the_marks_is_shown() {
        let mut report = Report::default();
        assert_eq!(report.hear("test one ... ok\r"), Some("test one ... ok".to_owned()));
        assert_eq!(
            report.hear("guard-machine ended edges x"),
            Some("guard-machine ended edges x".to_owned())
        );
        assert_eq!(report.hear("guard-machine ended edges 0"), None);
        assert_eq!(report.hear("\r"), None);
    }
}
