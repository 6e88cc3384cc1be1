//! The kernel half as it is built into this binary, and the names in it.

use guard_common::abi::state::Cells;

/// The object file.
pub static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/guard.o"));

/// The XDP program.
pub const PROGRAM: &str = "guard_xdp";
/// The program that watches what leaves.
pub const OUT_PROGRAM: &str = "guard_out";
/// The program for the inside of tunnels that come in.
pub const INSIDE_PROGRAM: &str = "guard_inside";
/// The program for the inside of tunnels that go out.
pub const OUT_INSIDE_PROGRAM: &str = "guard_out_inside";
/// The program that makes labels of XDP those of queues.
pub const LABEL_PROGRAM: &str = "guard_label";

/// The policy.
pub const POLICY: &str = "POLICY";
/// Lengths of IPv4 party prefixes by bucket.
pub const PARTY_LENGTHS4: &str = "PARTY_LENGTHS4";
/// Lengths of IPv6 party prefixes by bucket.
pub const PARTY_LENGTHS6: &str = "PARTY_LENGTHS6";
/// Index of IPv4 parties.
pub const PARTY_INDEX4: &str = "PARTY_INDEX4";
/// Index of IPv6 parties.
pub const PARTY_INDEX6: &str = "PARTY_INDEX6";
/// Parties, by number.
pub const PARTIES: &str = "PARTIES";
/// Lengths of IPv4 prefixes in the lists, by bucket.
pub const ACL_LENGTHS4: &str = "ACL_LENGTHS4";
/// Lengths of IPv6 prefixes in the lists, by bucket.
pub const ACL_LENGTHS6: &str = "ACL_LENGTHS6";
/// IPv4 prefixes of the lists.
pub const ACL4: &str = "ACL4";
/// IPv6 prefixes of the lists.
pub const ACL6: &str = "ACL6";
/// Conditional rules.
pub const ACL_BLOCKS: &str = "ACL_BLOCKS";
/// Holds [`INSIDE_PROGRAM`] for [`PROGRAM`].
pub const INSIDE: &str = "INSIDE";
/// Holds [`OUT_INSIDE_PROGRAM`] for [`OUT_PROGRAM`].
pub const OUT_INSIDE: &str = "OUT_INSIDE";
/// Maps of programs, which the kernel empties when nobody holds them: pinned with a generation,
/// never shared, because their programs belong to it.
pub const PROGRAM_MAPS: [&str; 2] = [INSIDE, OUT_INSIDE];
/// Maps that belong to one generation.
pub const POLICY_MAPS: [&str; 11] = [
    POLICY,
    PARTY_LENGTHS4,
    PARTY_LENGTHS6,
    PARTY_INDEX4,
    PARTY_INDEX6,
    PARTIES,
    ACL_LENGTHS4,
    ACL_LENGTHS6,
    ACL4,
    ACL6,
    ACL_BLOCKS,
];

/// The switches.
pub const SWITCHES: &str = "SWITCHES";
/// Counters by slot.
pub const COUNTERS: &str = "COUNTERS";
/// Alarms.
pub const ALARMS: &str = "ALARMS";
/// Copies of signalling between configured parties.
pub const COPIES: &str = "COPIES";
/// Copies of strangers' signalling.
pub const STRANGER_COPIES: &str = "STRANGER_COPIES";
/// Samples of frames.
pub const SAMPLES: &str = "SAMPLES";
/// Constant of the programs: whether frames are sampled.
pub const SAMPLING: &str = "SAMPLING";
/// Constant of the programs: whether their clock is a switch.
pub const CLOCK_TOLD: &str = "CLOCK_TOLD";
/// Constant of the programs: time between two samples of what is over its limit, on each CPU.
pub const DROP_INTERVAL: &str = "DROP_INTERVAL";
/// Constant of the programs: mark of labelled frames.
pub const LABEL_MARK: &str = "LABEL_MARK";
/// Constant of the programs: priority of labelled frames.
pub const LABEL_PRIORITY: &str = "LABEL_PRIORITY";
/// Counters of what leaves the host, by slot.
pub const OUT_COUNTERS: &str = "OUT_COUNTERS";
/// The kernel half's log, which aya names.
pub const LOGS: &str = "AYA_LOGS";
/// State maps that tell how the guard does, and nothing of what anybody said.
pub const READABLE_MAPS: [&str; 4] = [SWITCHES, COUNTERS, OUT_COUNTERS, ALARMS];
/// Maps that generations share.
pub const STATE_MAPS: [&str; 8 + Cells::ALL.len()] = {
    let [a, b, c, d, e, f, g, h, i, j] = Cells::ALL;
    [
        SWITCHES,
        COUNTERS,
        OUT_COUNTERS,
        ALARMS,
        COPIES,
        STRANGER_COPIES,
        SAMPLES,
        LOGS,
        a.map(),
        b.map(),
        c.map(),
        d.map(),
        e.map(),
        f.map(),
        g.map(),
        h.map(),
        i.map(),
        j.map(),
    ]
};
