//! Where the tc programs go on, how they stay, and how they leave.

use std::fs;
use std::time::Duration;

use guard_tests::guard_process::{LAN, WAN, eventually};
use nix::sys::signal::Signal;

use crate::{config, each_way, is_guarded, labels, programs, site, told};

const NOTHING: [Vec<u32>; 2] = [vec![], vec![]];

/// Configured, they are there and told; not configured, they are not.
#[test]
fn they_are_where_they_are_configured() {
    each_way(true, &labels(), |site, kind| {
        let daemon = site.start();
        assert_eq!(told(site), [kind, kind]);
        assert!(programs(site, WAN).iter().all(|side| side.len() == 1), "{kind}");
        assert_eq!(programs(site, LAN), NOTHING, "{kind}: not configured, not touched");
        let table = site.guard(&["status"]).done().out;
        assert!(table.contains("OUT") && !table.contains("MISSING"), "{table}");
        assert!(!daemon.log().contains("ERROR"), "{}", daemon.log());

        // With another file, one of them leaves, then the other.
        let _ = site.apply(&config(site, true, "")).done();
        assert_eq!(told(site), [kind, "off"]);
        let [outgoing, label] = programs(site, WAN);
        assert_eq!((outgoing.len(), label.len()), (1, 0), "{kind}");
        let _ = site.apply(&config(site, false, "")).done();
        assert_eq!(told(site), ["off", "off"]);
        assert_eq!(programs(site, WAN), NOTHING, "{kind}");
    });
}

/// However the daemon ends, they stay, and the next one takes them as they are.
#[test]
fn a_restart_adopts_them() {
    each_way(true, &labels(), |site, kind| {
        let mut daemon = site.start();
        let before = programs(site, WAN);
        for signal in [Signal::SIGKILL, Signal::SIGTERM] {
            daemon.end(signal);
            assert_eq!(programs(site, WAN), before, "{kind}");
            daemon = site.start();
            daemon.logs("adopted");
            assert_eq!(programs(site, WAN), before, "{kind}");
            assert_eq!(told(site), [kind, kind]);
        }
    });
}

#[test]
fn unload_takes_them_away() {
    each_way(true, &labels(), |site, kind| {
        site.start().kill();
        let _ = site.guard(&["unload"]).done();
        site.is_bare();
        assert_eq!(programs(site, WAN), NOTHING, "{kind}");
    });
}

/// An interface that is no longer configured is left whole.
#[test]
fn an_interface_that_is_not_configured_any_more_loses_them() {
    each_way(true, &labels(), |site, kind| {
        let one = config(site, true, &labels());
        let second = format!("[[interface]]\nname = '{LAN}'\nrole = 'trusted'\noutgoing = true\n");
        site.configure(&(one.clone() + &second));
        let _daemon = site.start();
        assert!(programs(site, LAN).iter().all(|side| side.len() == 1), "{kind}");
        let _ = site.apply(&one).done();
        assert_eq!(programs(site, LAN), NOTHING, "{kind}");
        assert_eq!(site.program_on(LAN), None);
        assert_eq!(told(site), [kind, kind]);
    });
}

/// A card that was away gets them with XDP.
#[test]
fn an_interface_that_returns_gets_them_again() {
    each_way(true, &labels(), |site, kind| {
        let one = config(site, true, &labels());
        let second = format!("[[interface]]\nname = '{LAN}'\nrole = 'trusted'\noutgoing = true\n");
        site.configure(&(one + &second));
        let daemon = site.start();
        site.host.ip(&["link", "del", LAN]).unwrap();
        daemon.logs(&format!("{LAN}: the guard is not on it"));
        site.host.ip(&["link", "add", LAN, "type", "veth", "peer", "name", "far9"]).unwrap();
        site.host.ip(&["link", "set", LAN, "up"]).unwrap();
        let sides = || {
            programs(site, LAN).iter().all(|side| side.len() == 1)
                && site.status()["interfaces"][1]["outgoing"] == kind
        };
        assert!(eventually(Duration::from_secs(40), sides), "{kind}: {}", daemon.log());
    });
}

/// What holds one of them is taken away: said, and put back once.
#[test]
fn what_somebody_takes_away_is_put_back() {
    let Some(site) = site(true, &labels()) else { return };
    let daemon = site.start();
    if told(&site)[0] != "tcx" {
        return;
    }
    fs::remove_file(site.pins().join("outgoing").join(WAN)).unwrap();
    let back = || programs(&site, WAN)[0].len() == 1 && told(&site) == ["tcx", "tcx"];
    assert!(eventually(Duration::from_secs(40), back), "{}", daemon.log());
    daemon.logs("guard_out again");
}

/// Fail open: where a tc program cannot be attached, XDP protects all the same, and both the
/// daemon and `guard status` say what is missing.
#[test]
fn a_failure_is_said_and_does_not_take_xdp_down() {
    each_way(false, &labels(), |site, kind| {
        site.start().kill();
        // Where a folder is, not even root can pin a link.
        fs::create_dir(site.pins().join("outgoing").join(WAN)).unwrap();
        let answer = site.apply(&config(site, true, &labels())).done();
        assert!(answer.err.contains("what leaves is NOT WATCHED"), "{}", answer.err);
        let daemon = site.start();
        is_guarded(site);
        assert_eq!(told(site), ["missing", kind]);
        let log = daemon.log();
        assert!(log.contains("ERROR") && log.contains("what leaves is NOT WATCHED"), "{log}");
        assert!(site.guard(&["status"]).done().out.contains("MISSING"));
        let _ = site.guard(&["deny", "add", "192.0.2.1", "--reason", "r"]).done();
        let service = "198.51.100.11:5060/udp";
        let _ = site.guard(&["psap", "add", "P-2", "--service", service]).done();
        is_guarded(site);
    });
}
