//! What turned, in people's words.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::judge::{Kind, Turned};

/// How many are told one by one.
const TOLD: usize = 8;

/// A line for each of the first; `slots` is whose they are.
#[must_use]
pub fn lines(turned: &[Turned], slots: &BTreeMap<String, u32>) -> Vec<String> {
    let mut lines: Vec<String> = turned.iter().take(TOLD).map(|it| line(it, slots)).collect();
    if turned.len() > TOLD {
        lines.push(format!("and {} more", turned.len() - TOLD));
    }
    lines
}

fn line(turned: &Turned, slots: &BTreeMap<String, u32>) -> String {
    let Turned { slot, kind, before, after, limited, dropped, unbound } = *turned;
    let id = slots.iter().find(|(_, number)| Some(**number) == slot).map(|(id, _)| id.as_str());
    let whose = match slot {
        None => "all together",
        Some(0) => "of no PSAP",
        Some(_) => id.unwrap_or("removed"),
    };
    let what = match kind {
        Kind::Known => format!("frames of known parties {before:.1} -> {after:.1}/s"),
        Kind::Callers => format!("frames of answered strangers {before:.1} -> {after:.1}/s"),
        Kind::Unanswered => {
            format!("calls answered {:.0} -> {:.0} %", before * 100.0, after * 100.0)
        }
        Kind::Stopped => format!("calls {:.1} -> {:.1} a minute", before * 60.0, after * 60.0),
    };
    let mut line = format!("{whose}: {what}");
    for (name, [before, after]) in
        [("denied or limited", limited), ("dropped", dropped), ("unbound", unbound)]
    {
        if after > before {
            // Writing to a string cannot fail.
            let _ = write!(line, ", {name} {before:.1} -> {after:.1}/s");
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_before_and_after_are_told() {
        let turned = Turned {
            slot: Some(3),
            kind: Kind::Known,
            before: 98.26,
            after: 0.0,
            limited: [0.0, 97.0],
            dropped: [0.0, 97.0],
            unbound: [5.0, 5.0],
        };
        let slots = BTreeMap::from([("P-1".to_owned(), 3)]);
        assert_eq!(
            lines(&[turned], &slots),
            ["P-1: frames of known parties 98.3 -> 0.0/s, denied or limited 0.0 -> 97.0/s, \
              dropped 0.0 -> 97.0/s"]
        );
        let all = Turned { slot: None, kind: Kind::Unanswered, before: 1.0, after: 0.25, ..turned };
        let words = lines(&[all], &slots).concat();
        assert!(words.starts_with("all together: calls answered 100 -> 25 %"), "{words}");
        assert_eq!(lines(&[turned; 10], &slots).last().map(String::as_str), Some("and 2 more"));
    }
}
