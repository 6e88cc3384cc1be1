//! Where the caller's session comes from, as far as it can be found out.
//!
//! `sshd` says so in the environment. `sudo` takes that away, so the environments of the processes
//! above are looked at, too. Where a session outlives its connection (tmux, screen), the nearest
//! answer may be an old one: an empty `SSH_CONNECTION` in the caller's own environment says that
//! there is none.

use std::fs;
use std::net::IpAddr;
use std::os::unix::ffi::OsStrExt as _;
use std::process;

/// Variables of `sshd`; the client's address comes first in both.
const VARIABLES: [&str; 2] = ["SSH_CONNECTION", "SSH_CLIENT"];
/// More processes are hardly ever above a verb: shells, sudo, multiplexers, sshd, init.
const DEPTH_MAX: usize = 32;

/// Where a session comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// From this host: a console, a service.
    Here,
    /// By SSH from this address.
    Remote(IpAddr),
    /// It cannot be told: some process above may not be looked at.
    Unknown,
}

/// Where the caller's session comes from.
pub(super) fn origin() -> Origin {
    for variable in VARIABLES {
        if let Some(value) = std::env::var_os(variable) {
            return read(value.as_bytes());
        }
    }
    let mut process = process::id();
    for _ in 0..DEPTH_MAX {
        match parent(process) {
            Some(above @ 2..) => process = above,
            Some(_) => return Origin::Here,
            None => return Origin::Unknown,
        }
        match fs::read(format!("/proc/{process}/environ")) {
            Ok(environment) => match in_environment(&environment) {
                None => {}
                Some(origin) => return origin,
            },
            Err(_) => return Origin::Unknown,
        }
    }
    Origin::Unknown
}

fn in_environment(environment: &[u8]) -> Option<Origin> {
    let value = |name: &str| {
        environment.split(|byte| *byte == 0).find_map(|entry| {
            entry.strip_prefix(name.as_bytes()).and_then(|rest| rest.strip_prefix(b"="))
        })
    };
    VARIABLES.into_iter().find_map(value).map(read)
}

/// Reads the value of a variable: addresses and ports, apart by spaces.
fn read(value: &[u8]) -> Origin {
    let text = String::from_utf8_lossy(value);
    let Some(client) = text.split_whitespace().next() else {
        return Origin::Here;
    };
    // Link-local addresses come with their interface.
    let address = client.split('%').next().unwrap_or(client);
    match address.parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(address) if address.is_loopback() => Origin::Here,
        Ok(address) => Origin::Remote(address),
        Err(_) => Origin::Unknown,
    }
}

/// The process above another.
fn parent(process: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // 4711 (any name, brackets too) S 4710 ...
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_read_as_sshd_writes_it() {
        let remote = |text: &str| text.parse().map(Origin::Remote).ok();
        for (value, origin) in [
            ("192.0.2.9 50000 192.0.2.1 22", remote("192.0.2.9")),
            ("2001:db8::9 50000 22", remote("2001:db8::9")),
            ("::ffff:192.0.2.9 1 2 3", remote("192.0.2.9")),
            ("fe80::1%eth0 1 2 3", remote("fe80::1")),
            ("127.0.0.1 50000 127.0.0.1 22", Some(Origin::Here)),
            ("", Some(Origin::Here)),
            ("garbage", Some(Origin::Unknown)),
        ] {
            assert_eq!(Some(read(value.as_bytes())), origin, "{value}");
        }
        let environment = b"HOME=/root\0SSH_CONNECTIONS=x\0SSH_CLIENT=192.0.2.9 1 22\0";
        assert_eq!(in_environment(environment), remote("192.0.2.9"));
        assert_eq!(in_environment(b"HOME=/root\0"), None);
    }

    #[test]
    fn processes_have_parents() {
        assert_eq!(parent(process::id()), Some(std::os::unix::process::parent_id()));
    }
}
