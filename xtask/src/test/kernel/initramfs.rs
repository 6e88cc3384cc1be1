//! The file system an emulated machine starts from: an archive in cpio's `newc` format.
//!
//! Owns the format (the kernel's Documentation/driver-api/early-userspace/buffer-format.rst) and
//! that programs come with their libraries. What goes in is the caller's business.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::run;

const DIRECTORY: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;

/// An archive in the making.
#[derive(Default)]
pub struct Initramfs {
    bytes: Vec<u8>,
    names: BTreeSet<String>,
}

impl Initramfs {
    /// Adds a file, which may be executed, and the directories it is in; a second one of the same
    /// name is left out.
    pub fn file(&mut self, name: &str, contents: &[u8]) -> Result<()> {
        let parents: Vec<&str> =
            name.match_indices('/').filter_map(|(end, _)| name.get(..end)).collect();
        for parent in parents {
            self.entry(parent, DIRECTORY, &[])?;
        }
        self.entry(name, PROGRAM, contents)
    }

    /// Adds a program of this machine and the libraries it is linked with.
    pub fn program(&mut self, name: &str, path: &Path) -> Result<()> {
        self.file(name, &read(path)?)?;
        for library in libraries(path)? {
            let contents = read(&library)?;
            self.file(library.to_string_lossy().trim_start_matches('/'), &contents)?;
        }
        Ok(())
    }

    /// The finished archive.
    pub fn finish(mut self) -> Result<Vec<u8>> {
        self.entry("TRAILER!!!", 0, &[])?;
        Ok(self.bytes)
    }

    fn entry(&mut self, name: &str, mode: u32, contents: &[u8]) -> Result<()> {
        if !self.names.insert(name.to_owned()) {
            return Ok(());
        }
        let size = u32::try_from(contents.len()).with_context(|| format!("{name} is too large"))?;
        let number = u32::try_from(self.names.len())?;
        let name_size = u32::try_from(name.len() + 1)?;
        // Owner and group are root, the date is the epoch, devices and checksum are not used.
        let fields = [number, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, name_size, 0];
        self.bytes.extend(b"070701");
        for field in fields {
            self.bytes.extend(format!("{field:08x}").bytes());
        }
        self.bytes.extend(name.bytes().chain([0]));
        self.pad();
        self.bytes.extend(contents);
        self.pad();
        Ok(())
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

/// The bytes of a file.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

fn libraries(program: &Path) -> Result<Vec<PathBuf>> {
    let text = run::answer(Command::new("ldd").arg(program))?;
    linked(&text).with_context(|| format!("what {} is linked with", program.display()))
}

/// The files that `ldd` names.
fn linked(text: &str) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for line in text.lines() {
        if line.contains("not found") {
            bail!("a library is missing: {}", line.trim());
        }
        // "name => path (address)", or "path (address)" of the loader; the kernel's own has none.
        let place = line.split_once("=>").map_or(line, |(_, place)| place);
        if let Some(path) = place.split_whitespace().next().filter(|path| path.starts_with('/')) {
            files.push(PathBuf::from(path));
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Name, mode and contents of the entry at the front, and what follows it.
    fn first(archive: &[u8]) -> Option<(String, u32, Vec<u8>, &[u8])> {
        let field = |number: usize| {
            let digits = archive.get(6 + 8 * number..14 + 8 * number)?;
            u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
        };
        let name_end = 110 + usize::try_from(field(11)?).ok()?;
        let start = name_end.next_multiple_of(4);
        let end = start + usize::try_from(field(6)?).ok()?;
        let name = archive.get(110..name_end)?.strip_suffix(&[0])?;
        let rest = archive.get(end.next_multiple_of(4)..)?;
        let contents = archive.get(start..end)?.to_vec();
        Some((String::from_utf8_lossy(name).into_owned(), field(1)?, contents, rest))
    }

    #[test]
    fn an_archive_reads_back() -> Result<()> {
        let mut archive = Initramfs::default();
        archive.file("bin/sh", b"12345")?;
        archive.file("init", b"1234")?;
        archive.file("bin/sh", b"a second one")?;
        let bytes = archive.finish()?;
        let (mut rest, mut found) = (bytes.as_slice(), Vec::new());
        while let Some((name, mode, contents, next)) = first(rest) {
            assert!(rest.starts_with(b"070701"));
            found.push((name, mode, String::from_utf8_lossy(&contents).into_owned()));
            rest = next;
        }
        let expected = [
            ("bin", 0o040_755, ""),
            ("bin/sh", 0o100_755, "12345"),
            ("init", 0o100_755, "1234"),
            ("TRAILER!!!", 0, ""),
        ];
        let expected = expected.map(|(name, mode, text)| (name.to_owned(), mode, text.to_owned()));
        assert_eq!(found, expected);
        assert!(rest.is_empty());
        Ok(())
    }

    #[test]
    fn the_libraries_of_a_program_are_found() {
        let text = "\tlinux-vdso.so.1 (0x00007ffd)\n\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f)\n\t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n";
        let expected = ["/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"];
        assert_eq!(linked(text).ok(), Some(expected.map(PathBuf::from).to_vec()));
        assert_eq!(linked("\tstatically linked\n").ok(), Some(Vec::new()));
        assert!(linked("\tlibbpf.so.1 => not found\n").is_err());
    }
}
