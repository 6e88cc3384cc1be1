//! Optus, 18 September 2025: a firewall was upgraded; other calls went on, emergency calls did
//! not, for fourteen hours, and callers had to tell.

use std::fs::{self, Permissions};
use std::ops::Range;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::{Duration, Instant};

use guard_tests::guard_process::{Site, WAN, answer, binary, eventually};

use crate::traffic::Traffic;
use crate::{say, site, standing};

const DAY: &str = "Optus 2025, a firewall upgrade";

/// What another version changes in the kernel half.
type Change = fn(&mut [u8]);

/// The kernel half inside of the binary: an ELF file for BPF.
fn object(binary: &[u8]) -> usize {
    const BEGINNING: [u8; 7] = [0x7f, b'E', b'L', b'F', 2, 1, 1];
    const BPF: [u8; 2] = [247, 0];
    let at = (0..binary.len()).step_by(8).find(|at| {
        let rest = &binary[*at..];
        rest.starts_with(&BEGINNING) && rest.get(18..20) == Some(&BPF)
    });
    at.expect("the kernel half is in it")
}

/// Where a section of such a file is.
fn section(object: &[u8], wanted: &str) -> Range<usize> {
    let number = |at: usize, length: usize| {
        let mut bytes = [0; 8];
        bytes[..length].copy_from_slice(&object[at..at + length]);
        usize::try_from(u64::from_le_bytes(bytes)).unwrap()
    };
    let (table, size, count) = (number(0x28, 8), number(0x3a, 2), number(0x3c, 2));
    let place = |index: usize| {
        let header = table + index * size;
        let (offset, length) = (number(header + 24, 8), number(header + 32, 8));
        (number(header, 4), offset..offset + length)
    };
    let names = place(number(0x3e, 2)).1;
    let is_it = |(name, _): &(usize, Range<usize>)| {
        object[names.start + name..].starts_with(format!("{wanted}\0").as_bytes())
    };
    (0..count).map(place).find(is_it).expect("it has that section").1
}

/// The next version of the binary, whose kernel half is another; what runs it.
fn next_version(site: &Site, change: Change) -> Command {
    let mut bytes = fs::read(binary()).unwrap();
    let at = object(&bytes);
    change(&mut bytes[at..]);
    let path = site.path("guard-copy");
    fs::write(&path, bytes).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    let file = site.file();
    site.command_by(&["timeout", "60"], &["run", "--config", &file.to_string_lossy()])
}

/// An upgrade as it should be: another program, without a gap, while calls go on.
#[test]
fn an_upgrade_replaces_the_program_without_a_gap() {
    let Some(site) = site() else { return };
    let daemon = site.start();
    let traffic = Traffic::start(&site);
    let program = site.program_on(WAN);
    std::thread::sleep(Duration::from_millis(500));
    daemon.kill();
    let begun = Instant::now();
    // A byte that nobody reads: padding of the header.
    let daemon = site.ready(next_version(&site, |object| object[12] = 1));
    let took = begun.elapsed();
    daemon.logs("replaced what was pinned");
    assert_ne!(site.program_on(WAN), program);
    std::thread::sleep(Duration::from_millis(500));
    let told = traffic.stop();
    told.counted(&site);
    say(DAY, &format!("replaced in {took:.0?}, no frame lost or counted twice: {told:?}"));
}

/// An upgrade whose program does not know emergencies any more, and one that the kernel does not
/// take: neither gets onto an interface, and the old one goes on.
#[test]
fn a_broken_upgrade_does_not_go_live() {
    let Some(site) = site() else { return };
    site.start().kill();
    let traffic = Traffic::start(&site);
    let broken: [(&str, i32, Change); 2] = [
        ("blind to emergencies", 8, |object| {
            let constants = section(object, ".rodata");
            object[constants].fill(0);
        }),
        ("refused by the kernel", 7, |object| {
            // The ends of functions, made into what is no instruction.
            for at in section(object, "xdp.frags").step_by(8) {
                if object[at] == 0x95 {
                    object[at] = 0xff;
                }
            }
        }),
    ];
    for (what, code, change) in broken {
        let before = standing(&site);
        let mut command = next_version(&site, change);
        let begun = Instant::now();
        let answer = answer(&mut command);
        let took = begun.elapsed();
        let error = answer.err.lines().find(|line| line.starts_with("guard: "));
        assert_eq!(answer.code, Some(code), "{what}: {}", answer.err);
        assert_eq!(standing(&site), before, "{what}");
        say(DAY, &format!("{what}: refused in {took:.0?}: {}", error.unwrap_or_default()));
    }
    assert_eq!(traffic.leaked(), 0);
    // The old binary goes on where it was.
    let daemon = site.start();
    daemon.logs("adopted");
    traffic.stop().counted(&site);
    assert!(eventually(Duration::from_secs(5), || site.status()["stance"] == "enforcing"));
}
