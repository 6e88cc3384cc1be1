//! Debian packages beside the machine's own: downloaded and unpacked into a folder, not installed.
//!
//! Needs no root, changes nothing outside the folder and gets in the way of no installed package.
//! Knows nothing of what is in them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::run;

/// Those of a package's dependencies that are not installed here.
pub fn missing_for(package: &str) -> Result<Vec<String>> {
    let plan = run::answer(
        Command::new("apt-get")
            .args(["install", "--simulate", "--no-install-recommends", package])
            // Its words are read.
            .env("LC_ALL", "C"),
    )?;
    let mut packages = to_be_installed(&plan);
    packages.retain(|name| name != package);
    Ok(packages)
}

/// The package that a metapackage stands for at present.
pub fn behind(metapackage: &str) -> Result<String> {
    let text = run::answer(
        Command::new("apt-cache").args(["depends", "--important", metapackage]).env("LC_ALL", "C"),
    )?;
    let first = dependency(&text).with_context(|| format!("{metapackage} depends on nothing"))?;
    Ok(first.to_owned())
}

/// Downloads a package and others and unpacks them into a folder, which then is there as a whole or
/// not at all.
pub fn fetch(package: &str, others: &[String], folder: &Path) -> Result<()> {
    let partial = folder.with_extension("partial");
    let cannot = |path: &Path| format!("cannot write {}; is it yours?", path.display());
    if partial.exists() {
        fs::remove_dir_all(&partial).with_context(|| cannot(&partial))?;
    }
    let (archives, root) = (partial.join("archives"), partial.join("root"));
    for new in [&archives, &root] {
        fs::create_dir_all(new).with_context(|| cannot(new))?;
    }
    let mut download = Command::new("apt-get");
    download.current_dir(&archives).args(["download", "-q", package]).args(others);
    let beside = match others.len() {
        0 => String::new(),
        count => format!(" and {count} packages it needs"),
    };
    let name = format!("download {package}{beside} to {}", folder.display());
    run::step(&name, &mut download)?;
    for archive in listed(&archives)? {
        run::answer(Command::new("dpkg-deb").arg("--extract").args([&archive, &root]))?;
    }
    fs::rename(&root, folder).with_context(|| cannot(folder))?;
    fs::remove_dir_all(&partial).with_context(|| cannot(&partial))
}

/// The one file of a folder whose name begins so.
pub fn only(folder: &Path, prefix: &str) -> Result<PathBuf> {
    let mut found = listed(folder)?;
    found.retain(|path| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix))
    });
    match found.as_slice() {
        [path] => Ok(path.clone()),
        _ => bail!("{} files {prefix}* in {}, not one", found.len(), folder.display()),
    }
}

fn listed(folder: &Path) -> Result<Vec<PathBuf>> {
    let unreadable = || format!("cannot read {}", folder.display());
    let entries = fs::read_dir(folder).with_context(unreadable)?;
    entries.map(|entry| Ok(entry.with_context(unreadable)?.path())).collect()
}

/// What `apt-get --simulate` would install.
fn to_be_installed(plan: &str) -> Vec<String> {
    plan.lines()
        .filter_map(|line| line.strip_prefix("Inst ")?.split(' ').next())
        .map(str::to_owned)
        .collect()
}

/// The first dependency that `apt-cache depends` names.
fn dependency(text: &str) -> Option<&str> {
    text.lines().find_map(|line| line.trim().strip_prefix("Depends: "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apts_own_words_are_understood() {
        let plan = "Remv old-tool [1.0]\nInst libslirp0 (4.7.0-1 Debian:12.15/oldstable [amd64])\n\
                    Inst seabios [1.15] (1.16.2-1 Debian:12.15/oldstable [all])\n\
                    Conf libslirp0 (4.7.0-1 Debian:12.15/oldstable [amd64])\n";
        assert_eq!(to_be_installed(plan), ["libslirp0", "seabios"]);
        let text = "linux-image-cloud-amd64\n  Depends: linux-image-6.1.0-56-cloud-amd64\n";
        assert_eq!(dependency(text), Some("linux-image-6.1.0-56-cloud-amd64"));
        assert_eq!(dependency("linux-image-cloud-amd64\n"), None);
    }
}
