//! What the demo can be told, and where the things are that it shows.

use std::env;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use nix::unistd::Uid;

use crate::flood::shape::Shape;

/// Shows real SIP calls to 911 while the core they go through is flooded, without the guard and
/// with it.
#[derive(Debug, clap::Parser)]
#[command(
    bin_name = "cargo xtask demo --",
    max_term_width = 80,
    after_help = "Exit codes: 0 with the guard every call was answered, 1 one was not, \
                  2 the demo could not be shown, 3 the flood did not hurt even without the guard"
)]
pub struct Options {
    /// How long calls are begun, in each of the three phases
    #[arg(long, value_name = "N", default_value_t = 6,
          value_parser = clap::value_parser!(u32).range(1..=600))]
    pub seconds: u32,
    /// Calls a second, from each of two callers to each of two PSAPs
    #[arg(long, value_name = "N", default_value_t = 10,
          value_parser = clap::value_parser!(u32).range(1..=100))]
    pub rate: u32,
    /// Flood with one shape of frames only [default: mostly calls, and noise]
    #[arg(long, value_name = "SHAPE")]
    pub flood: Option<Shape>,
    /// Write what was measured to a file
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Draw what is printed as a picture of a terminal, in SVG
    #[arg(long, value_name = "FILE")]
    pub picture: Option<PathBuf>,
    /// Keep the configuration, logs and statistics of this run, and say where
    #[arg(long)]
    pub keep: bool,
    /// The guard [default: beside this program]
    #[arg(long, value_name = "FILE", env = "GUARD_BIN", hide_env_values = true)]
    guard: Option<PathBuf>,
    /// Where generator.o is [default: where `cargo xtask build` puts it]
    #[arg(long, value_name = "DIR", env = "GUARD_BPF_DIR", hide_env_values = true)]
    bpf_dir: Option<PathBuf>,
}

/// What the build made.
#[derive(Clone, Debug)]
pub struct Tools {
    /// The `guard` binary.
    pub guard: PathBuf,
    /// The packet generator's object.
    pub generator: PathBuf,
}

impl Options {
    /// Finds what the demo needs.
    ///
    /// # Errors
    ///
    /// Not root, or something has not been built.
    pub fn tools(&self) -> Result<Tools> {
        if !Uid::effective().is_root() {
            bail!(
                "network namespaces and XDP need root; \
                 type: sudo -E env \"PATH=$PATH\" cargo xtask demo"
            );
        }
        // target/release/demo
        let own = env::current_exe().context("this program does not know where it is")?;
        let beside = own.parent().context("this program lies nowhere")?;
        let guard = self.guard.clone().unwrap_or_else(|| beside.join("guard"));
        let bpf_dir = self.bpf_dir.clone().unwrap_or_else(|| beside.join("../bpf"));
        let generator = bpf_dir.join("generator.o");
        for file in [&guard, &generator] {
            if !file.is_file() {
                bail!("there is no {}; run `cargo xtask build`", file.display());
            }
        }
        // They are used from other directories than the current one.
        Ok(Tools { guard: guard.canonicalize()?, generator: generator.canonicalize()? })
    }
}
