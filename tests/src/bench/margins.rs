//! The margins that a check holds every change to: which figures have one, and what is wrong with a
//! run.
//!
//! A figure that should have been measured and was not is as wrong as one that is out of its
//! margin: else a package that is missing would pass everything.

use guard_user::kernel::object;

use super::target::Target;

/// What of frames has a margin.
const FRAMES: [&str; 10] = [
    "UDP flood / xdp-filter",
    "UDP flood, IPv6 / xdp-filter",
    "SYN flood / xdp-filter",
    "peer's TCP segment / xdp-filter",
    "peer's RTP / xdp-filter",
    "pinned stranger's RTP / xdp-filter",
    "UDP flood, a million sources / 1",
    "UDP flood, large / small",
    "peer's RTP, large / small",
    "denied source, large / small",
];
/// What of memory has.
const MAPS: [&str; 2] = ["maps, small configuration, MiB", "maps, large configuration, MiB"];

/// Name of what the verifier looked at in a program.
#[must_use]
pub fn verified(program: &str) -> String {
    format!("verified instructions, {program}")
}

/// Names of all that has a margin.
fn names() -> Vec<String> {
    let programs = [
        object::PROGRAM,
        object::INSIDE_PROGRAM,
        object::OUT_PROGRAM,
        object::OUT_INSIDE_PROGRAM,
        object::LABEL_PROGRAM,
    ];
    let fixed = FRAMES.into_iter().chain(MAPS).map(str::to_owned);
    fixed.chain(programs.into_iter().map(verified)).collect()
}

/// What is out of its margin, or was not measured though it has one: a line each.
#[must_use]
pub fn broken(targets: &[Target]) -> Vec<String> {
    let out = targets.iter().filter(|target| !target.meets(target.gate)).map(|target| {
        let gate = target.gate.unwrap_or_default();
        format!("{}: {:.2}, the margin ends at {gate}", target.name, target.value)
    });
    let is_there =
        |name: &String| targets.iter().any(|target| target.name == *name && target.gate.is_some());
    let absent = names().into_iter().filter(|name| !is_there(name)).map(|name| {
        let why = match name.ends_with("xdp-filter") {
            true => " (is the package xdp-tools installed?)",
            false => "",
        };
        format!("{name}: not measured{why}")
    });
    out.chain(absent).collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test may panic")]

    use super::super::figure::Row;
    use super::super::memory::{Memory, Verified};
    use super::super::subject::{FLOOR, LARGE, XDP_FILTER};
    use super::super::target::{of_frames, of_sizes};
    use super::*;

    /// Rows of everything that a margin is about, all of them as slow.
    fn rows() -> Vec<Row> {
        let named = [
            FLOOR,
            XDP_FILTER,
            "UDP flood, IPv6",
            "SYN flood",
            "peer's TCP segment",
            "pinned stranger's RTP",
            "UDP flood, sources: 1",
            "UDP flood, sources: a million",
            "floor, sources: 1",
            "floor, sources: a million",
        ];
        let sized = ["UDP flood", "peer's RTP", "denied source"];
        let large = sized.map(|name| format!("{name}{LARGE}"));
        let names = named.into_iter().chain(sized).map(str::to_owned).chain(large);
        names.map(|name| Row::of(name, &[100.0]).unwrap()).collect()
    }

    fn sizes() -> (Vec<Memory>, Vec<Verified>) {
        let memory = ["small", "large"].map(|name| Memory {
            name,
            psaps: 1,
            denied: 1,
            cpus: 1,
            bytes: 0,
            per_cpu: 0,
            maps: Vec::new(),
        });
        let programs = names().into_iter().filter_map(|name| {
            let name = name.strip_prefix(&verified(""))?.to_owned();
            Some(Verified { name, instructions: Some(1) })
        });
        (memory.into(), programs.collect())
    }

    fn targets(rows: &[Row], (memory, verified): &(Vec<Memory>, Vec<Verified>)) -> Vec<Target> {
        [of_frames(rows), of_sizes(memory, verified)].concat()
    }

    #[test]
    fn whatever_has_a_margin_is_waited_for() {
        let targets = targets(&rows(), &sizes());
        let mut gated: Vec<_> =
            targets.iter().filter(|target| target.gate.is_some()).map(|t| &t.name).collect();
        let expected = names();
        let mut expected: Vec<_> = expected.iter().collect();
        gated.sort();
        expected.sort();
        assert_eq!(gated, expected);
        assert_eq!(broken(&targets), Vec::<String>::new());
    }

    #[test]
    fn nothing_measured_is_nothing_passed() {
        let broken = broken(&[]);
        assert_eq!(broken.len(), names().len());
        assert!(broken.iter().all(|line| line.contains("not measured")), "{broken:?}");
    }

    #[test]
    fn what_is_not_measured_is_named() {
        let without_filter: Vec<_> =
            rows().into_iter().filter(|row| row.name != XDP_FILTER).collect();
        let all = sizes();
        let broken_of = |rows: &[Row], sizes| broken(&targets(rows, sizes));
        let found = broken_of(&without_filter, &all);
        assert_eq!(found.len(), 6);
        assert!(found.iter().all(|line| line.contains("xdp-tools")), "{found:?}");

        let (memory, mut verified) = sizes();
        for program in &mut verified {
            program.instructions = None;
        }
        let unsaid = (memory, verified);
        let found = broken_of(&rows(), &unsaid);
        assert_eq!(found.len(), 5);
        assert!(found.iter().all(|line| line.starts_with("verified instructions")), "{found:?}");
    }

    #[test]
    fn the_margin_is_wider_than_the_bound() {
        for target in targets(&rows(), &sizes()) {
            let (Some(bound), Some(gate)) = (target.bound, target.gate) else { continue };
            // Sizes do not vary from run to run.
            let is_ratio = target.name.contains(" / ");
            assert!(gate > bound || !is_ratio, "{}", target.name);
        }
    }
}
