//! `guard doctor`: what is wrong with this host, and the next step.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use guard_user::doctor::{self, Finding, Mark, Report};

use super::{Places, exit, run, table};

/// Widest a line may be.
const WIDTH: usize = 80;
/// Where texts begin: behind mark and subject.
const INDENT: usize = 6;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The configuration file
    #[arg(short, long, value_name = "FILE", default_value = run::CONFIG)]
    config: PathBuf,
    /// Only what is not as it should be
    #[arg(short, long)]
    quiet: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(places: &Places, Arguments { config, quiet, json }: &Arguments) -> Result<ExitCode> {
    let mut report = doctor::examine(&places.beside(config), config);
    if *quiet {
        report.findings.retain(|finding| finding.mark != Mark::Ok);
    }
    if *json {
        table::json(&report)?;
    } else {
        print(&report);
    }
    Ok(match report.worst {
        Mark::Fail => exit::failed(),
        Mark::Ok | Mark::Unknown | Mark::Warn => ExitCode::SUCCESS,
    })
}

fn print(Report { worst, findings }: &Report) {
    for Finding { mark, topic, subject, text, next } in findings {
        let about =
            if *topic == "interface" { subject.clone() } else { format!("{topic} {subject}") };
        line(mark.name(), &format!("{about}: {text}"));
        if let Some(next) = next {
            line("", &format!("next: {next}"));
        }
    }
    let count = |wanted| findings.iter().filter(|finding| finding.mark == wanted).count();
    let said = match worst {
        Mark::Ok => "All is well.".to_owned(),
        Mark::Unknown | Mark::Warn | Mark::Fail => format!(
            "{} failed, {} warnings, {} not known.",
            count(Mark::Fail),
            count(Mark::Warn),
            count(Mark::Unknown)
        ),
    };
    println!("\n{said}");
}

/// A line, in as many as it takes.
fn line(head: &str, text: &str) {
    let mut line = format!("{head:<INDENT$}");
    let mut is_empty = true;
    for word in text.split_whitespace() {
        if !is_empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
            println!("{}", line.trim_end());
            line = " ".repeat(INDENT + 2);
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line.push_str(word);
        is_empty = false;
    }
    println!("{}", line.trim_end());
}
