//! `guard canary`: the proof that 911 passes, now.

use anyhow::{Result, bail};
use guard_user::canary::{self, Failure, Proof};
use guard_user::live::Live;

use super::exit::Usage;
use super::table::{self, short};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Only this PSAP, site or element
    #[arg(long, value_name = "ID")]
    psap: Option<String>,
}

pub fn run(live: &Live, Arguments { json, psap }: &Arguments) -> Result<()> {
    let record = live.record()?;
    let effective = live.effective()?;
    let only = match psap.as_deref() {
        None => None,
        Some(id) => Some(canary::target_of(&effective, id).ok_or_else(|| {
            Usage(format!("no PSAP, site or element {id:?}\n  next: `guard psap list` names them"))
        })?),
    };
    let proof = canary::prove(&live.pins, &record, &effective, only)?;
    if *json {
        table::json(&proof)?;
    } else {
        print(&proof);
    }
    if !proof.holds() {
        bail!(
            "{} of {} frames that must pass are not protected\n  next: `guard bypass on \
             --reason canary` lets everything pass; `guard canary --json` has the frames",
            proof.failed,
            proof.frames
        );
    }
    Ok(())
}

/// The proof as a person reads it.
pub fn print(proof: &Proof) {
    let Proof { generation, targets, forms, complete, frames, milliseconds, failed, .. } = proof;
    let extent = if *complete { "each by every transport" } else { "each by some transport" };
    println!(
        "Generation  {generation}\nTargets     {targets} PSAPs, sites and elements\n\
         Forms       {forms} emergency markers, {extent}; calls, media\n            and services of \
         configured parties\nFrames      {frames} in {milliseconds} ms"
    );
    if proof.skipped > 0 {
        println!("Not sent    {}: their interfaces are not there", proof.skipped);
    }
    if *failed == 0 {
        println!("Result      911 passes: every frame was protected, and passed");
        return;
    }
    println!("Result      {failed} FRAMES THAT MUST PASS ARE NOT PROTECTED\n");
    print_failures(&proof.failures);
}

/// Failures, and what the first of them hung on.
pub fn print_failures(failures: &[Failure]) {
    let heading = ["PSAP", "FORM", "BY", "FROM", "INTERFACE", "FATE"];
    let mut printed = table::table(&heading, heading.len());
    for failure in failures {
        printed.add_row([
            short(&failure.psap, 12),
            short(&failure.form, 20),
            failure.transport.clone(),
            short(&failure.sender, 10),
            short(&failure.interface, 10),
            format!("{} {}", failure.verdict, failure.reason),
        ]);
    }
    table::print(&printed);
    if let Some(failure) = failures.first() {
        println!("\nThe first of them, {} to {}:", failure.source, failure.destination);
        for entry in &failure.evidence.entries {
            println!("  {entry}");
        }
    }
}
