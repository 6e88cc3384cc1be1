//! Takes the kernel half, which `cargo xtask build` made, into the binary.

use std::path::PathBuf;
use std::{env, fs};

fn main() {
    if let Err(error) = embed() {
        println!("cargo::error={error}");
        println!("cargo::error=the kernel half is not built; run `cargo xtask build`");
    }
}

fn embed() -> Result<(), String> {
    println!("cargo::rerun-if-env-changed=GUARD_BPF_DIR");
    let variable = |name: &str| {
        env::var_os(name).map(PathBuf::from).ok_or_else(|| format!("{name} is not set"))
    };
    let folder = variable("GUARD_BPF_DIR")
        .or_else(|_| variable("CARGO_MANIFEST_DIR").map(|own| own.join("../target/bpf")))?;
    let object = folder.join("guard.o");
    println!("cargo::rerun-if-changed={}", object.display());
    let copy = variable("OUT_DIR")?.join("guard.o");
    fs::copy(&object, copy).map_err(|error| format!("{}: {error}", object.display()))?;
    Ok(())
}
