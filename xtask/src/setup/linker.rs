//! `bpf-linker`, at a version whose LLVM matches the compiler's.
//!
//! The linker reads the compiler's bitcode, so its LLVM must be no older. Owns that table
//! and the stamp that says which compiler the built linker was made for.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::packages;
use super::toolchain::{Source, Toolchain};
use crate::project::Project;
use crate::run;

const LINKER: &str = "bpf-linker";

/// How to build a matching linker.
#[derive(Debug, PartialEq, Eq)]
pub struct Recipe {
    version: &'static str,
    feature: String,
    /// Major version of a Debian LLVM to link with, unless the compiler's own serves.
    system_llvm: Option<u32>,
}

/// The recipe for a compiler, or none when no released linker reads its LLVM.
pub fn recipe(source: &Source, llvm: u32) -> Option<Recipe> {
    match (source, llvm) {
        // The last release that can use the libLLVM inside a rustup toolchain.
        (Source::Rustup(_), 20..=22) => Some(Recipe {
            version: "0.10.3",
            feature: format!("rust-llvm-{llvm}"),
            system_llvm: None,
        }),
        (_, 21..=23) => Some(Recipe {
            version: "0.13.0",
            feature: format!("llvm-{llvm}"),
            system_llvm: Some(llvm),
        }),
        _ => None,
    }
}

/// The linker built for this very compiler, when it is there.
pub fn find(project: &Project, toolchain: &Toolchain) -> Option<PathBuf> {
    let recipe = recipe(&toolchain.source, toolchain.llvm)?;
    let built_for = fs::read_to_string(stamp_path(project)).ok()?;
    let linker = project.tool(LINKER);
    (built_for == stamp(&recipe, toolchain) && linker.is_file()).then_some(linker)
}

/// The linker built for this compiler; builds it when it is not there.
pub fn ensure(project: &Project, toolchain: &Toolchain) -> Result<PathBuf> {
    if let Some(found) = find(project, toolchain) {
        return Ok(found);
    }
    let recipe = recipe(&toolchain.source, toolchain.llvm).with_context(|| {
        format!(
            "{LINKER}: no release reads LLVM {} of {toolchain}; install another nightly",
            toolchain.llvm
        )
    })?;
    build(project, toolchain, &recipe)?;
    let path = stamp_path(project);
    fs::write(&path, stamp(&recipe, toolchain))
        .with_context(|| format!("{LINKER}: cannot write {}; is it yours?", path.display()))?;
    Ok(project.tool(LINKER))
}

fn build(project: &Project, toolchain: &Toolchain, recipe: &Recipe) -> Result<()> {
    let mut install = toolchain.cargo();
    install
        .env_remove("CARGO_TARGET_DIR")
        .args(["install", "--locked", "--no-default-features", "--features"])
        .arg(&recipe.feature)
        .arg("--root")
        .arg(project.tools())
        .arg(format!("{LINKER}@{}", recipe.version));
    // Cargo would keep one of the same version, although it is for another compiler.
    if stamp_path(project).is_file() {
        install.arg("--force");
    }
    if let Some(major) = recipe.system_llvm {
        let prefix = format!("/usr/lib/llvm-{major}");
        if !Path::new(&prefix).join("lib/libLLVM.so").exists() {
            packages::install(&[&format!("llvm-{major}-dev")])?;
        }
        install.env("LLVM_PREFIX", prefix);
    }
    let name = format!("build {LINKER} {} for LLVM {}", recipe.version, toolchain.llvm);
    run::step(&name, &mut install)
}

fn stamp(recipe: &Recipe, toolchain: &Toolchain) -> String {
    format!("{LINKER} {} with {} for {}\n", recipe.version, recipe.feature, toolchain.identity)
}

fn stamp_path(project: &Project) -> PathBuf {
    project.tools().join("bpf-linker.stamp")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feature(source: &Source, llvm: u32) -> Option<String> {
        recipe(source, llvm).map(|recipe| format!("{}:{}", recipe.version, recipe.feature))
    }

    #[test]
    fn each_compiler_gets_the_linker_that_reads_its_llvm() {
        let rustup = Source::Rustup("nightly".to_owned());
        assert_eq!(feature(&rustup, 22), Some("0.10.3:rust-llvm-22".to_owned()));
        assert_eq!(feature(&rustup, 23), Some("0.13.0:llvm-23".to_owned()));
        assert_eq!(feature(&Source::Debian, 22), Some("0.13.0:llvm-22".to_owned()));
        assert_eq!(feature(&rustup, 24), None);
        assert_eq!(feature(&Source::Debian, 19), None);
    }
}
