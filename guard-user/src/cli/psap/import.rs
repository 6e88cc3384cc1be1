//! `guard psap import`: a registry of PSAPs, joined with their addresses.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use guard_user::kernel::KernelError;
use guard_user::live::{Imported, Live, LiveError};
use guard_user::registry::{self, Import, Misfit};
use serde::Serialize;

use crate::cli::table;

/// Lines that did not fit which are shown; `--json` has all.
const SHOWN: usize = 20;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The registry: CSV with the columns "PSAP ID" and "PSAP Name", such as the FCC's
    #[arg(value_name = "REGISTRY")]
    registry: PathBuf,
    /// Their addresses: CSV with "PSAP ID" and some of Service, Media, Bind, Admin, Site, Via
    #[arg(long, value_name = "FILE")]
    addresses: PathBuf,
    /// Only say what fits, what does not, and what would change
    #[arg(long, conflicts_with_all = ["out", "force"])]
    dry_run: bool,
    /// Write the entries into this file, for a configuration; nothing goes live
    #[arg(long, value_name = "FILE", conflicts_with = "force")]
    out: Option<PathBuf>,
    /// Why, for the audit log
    #[arg(long)]
    reason: Option<String>,
    /// Import it in spite of what a gate leaves to a person's judgement; needs --reason
    #[arg(long, requires = "reason")]
    force: bool,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

/// What was read, what did not fit, and what came of it.
#[derive(Serialize)]
struct Report {
    /// PSAPs that the registry names.
    registered: usize,
    /// Those of them that have an address.
    usable: usize,
    misfits: Vec<Misfit>,
    /// What changes; absent where no guard is loaded that could.
    changes: Option<Vec<String>>,
    /// The generation that has them.
    generation: Option<u64>,
    /// The file that they were written to.
    file: Option<PathBuf>,
}

pub fn run(live: &Live, arguments: &Arguments) -> Result<()> {
    let Arguments { registry, addresses, dry_run, out, reason, force, json } = arguments;
    let Import { psaps, registered, misfits } = registry::import(registry, addresses)?;
    let mut report = Report {
        registered,
        usable: psaps.len(),
        misfits,
        changes: None,
        generation: None,
        file: out.clone(),
    };
    if !json {
        tell_misfits(&report.misfits);
        let names = (registry.display(), addresses.display());
        println!(
            "{registered} PSAPs in {}, {} with an address in {}",
            names.0,
            psaps.len(),
            names.1
        );
    }
    let imported = match (dry_run, out) {
        (_, Some(out)) => {
            write(out, &registry::as_toml(&psaps)?)?;
            None
        }
        (true, None) => match live.would_import(&psaps) {
            Err(LiveError::Kernel(KernelError::NotLoaded { .. })) => None,
            imported => Some(imported?),
        },
        (false, None) => Some(live.import(&psaps, reason.as_deref(), *force)?),
    };
    if let Some(Imported { differences, outcome }) = &imported {
        report.changes = Some(differences.iter().map(|it| it.text.clone()).collect());
        report.generation = outcome.as_ref().map(|outcome| outcome.generation);
    }
    if *json {
        return table::json(&report);
    }
    tell(&report, imported.as_ref());
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text)
        .with_context(|| format!("{} cannot be written; is it yours?", path.display()))
}

/// On standard error, like everything that somebody has to look after.
fn tell_misfits(misfits: &[Misfit]) {
    for Misfit { file, line, psap, reason, next } in misfits.iter().take(SHOWN) {
        let psap = psap.as_ref().map_or(String::new(), |id| format!(" psap {id:?}:"));
        eprintln!("{file}:{line}:{psap} {reason}\n  next: {next}");
    }
    match misfits.len() {
        0 => {}
        all @ ..=SHOWN => eprintln!("{all} lines did not fit"),
        all => eprintln!("and {} more lines did not fit; --json has all", all - SHOWN),
    }
}

fn tell(report: &Report, imported: Option<&Imported>) {
    match (imported, &report.file) {
        (Some(Imported { differences, outcome: None }), _) if differences.is_empty() => {
            println!("that is what is live: nothing to change");
        }
        (Some(Imported { differences, outcome }), _) => {
            match outcome {
                Some(outcome) => println!("generation {} is live:", outcome.generation),
                None => println!("nothing was changed; without --dry-run it would be:"),
            }
            table::differences(differences);
            outcome.iter().for_each(|outcome| table::findings(&outcome.findings));
        }
        (None, Some(file)) => println!(
            "written to {}; put it into your configuration, then `guard check` and `guard apply`",
            file.display()
        ),
        (None, None) => println!("nothing was changed, and no guard is loaded to compare with"),
    }
}
