//! `guard check`: is this configuration right? Nothing is touched.

use std::path::{Path, PathBuf};

use anyhow::Result;
use guard_user::config::{Config, Failsafe};
use guard_user::report::mode_name;
use serde::Serialize;

use super::table;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The configuration file
    #[arg(value_name = "FILE", default_value = "/etc/guard/guard.toml")]
    file: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What a configuration that is right configures.
#[derive(Debug, Serialize)]
struct Right {
    file: String,
    mode: &'static str,
    failsafe: Failsafe,
    interfaces: usize,
    psaps: usize,
    elements: usize,
    peers: usize,
    allow: usize,
    deny: usize,
}

impl Right {
    fn of(file: &Path, config: &Config) -> Self {
        Self {
            file: file.display().to_string(),
            mode: mode_name(config.guard.mode),
            failsafe: config.guard.failsafe,
            interfaces: config.interface.len(),
            psaps: config.psap.len(),
            elements: config.site.len() + config.element.len(),
            peers: config.peer.len(),
            allow: config.allow.len(),
            deny: config.deny.len(),
        }
    }

    fn print(&self) {
        let Self { file, mode, failsafe: _, interfaces, psaps, elements, peers, allow, deny } =
            self;
        println!(
            "{file}: right; mode {mode}, {interfaces} interfaces, {psaps} PSAPs, {elements} sites \
             and elements, {peers} peers, {allow} allow and {deny} deny entries"
        );
    }
}

pub fn run(Arguments { file, json }: &Arguments) -> Result<()> {
    let config = Config::load(file)?;
    let right = Right::of(file, &config);
    if *json {
        table::json(&right)?;
    } else {
        right.print();
    }
    if right.failsafe == Failsafe::Hold {
        eprintln!(
            "guard: warning: failsafe = \"hold\": with the controller dead, what is denied or over \
             a limit is dropped until a person says `guard bypass on`"
        );
    }
    Ok(())
}
