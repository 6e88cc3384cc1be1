//! The figures as tables that fit 80 columns.

use super::calls::Calls;
use super::figure::{Row, find, ratio};
use super::memory::{MapMemory, Memory};
use super::report::{Earlier, Report};
use super::subject::{FLOOR, XDP_FILTER};
use super::target::{Target, short};
use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};

/// Maps that are listed one by one; the rest are the small ones.
const MAPS: usize = 8;
const MIB: f64 = 1024.0 * 1024.0;
const DECIDERS: [&str; 5] = ["floor", "xdp-filter", "nftables raw", "nftables ingress", "guard"];

/// Prints everything.
pub fn print(report: &Report, earlier: Option<&Earlier>) {
    frames(report, earlier);
    if !report.floods.is_empty() {
        floods(&report.floods, earlier);
    }
    println!();
    end(&changes(&report.changes, earlier));
    for of in &report.memory {
        memory(of);
    }
    if !report.calls.is_empty() {
        calls(&report.calls);
    }
    println!();
    end(&targets(&report.targets, earlier));
    println!("\n{}.", report.machine);
    println!("On a shared machine only ratios within a run mean something.");
}

fn frames(report: &Report, earlier: Option<&Earlier>) {
    let rows = &report.frames;
    let floor = find(rows, FLOOR).map_or(0.0, |row| row.median);
    let filter = find(rows, XDP_FILTER);
    let mut table = begin("FRAME", &["NS", "MIN-MAX", "- FLOOR", "x FILTER"], earlier);
    for row in rows {
        let over_filter = filter.and_then(|filter| ratio(row, filter));
        let cells = vec![
            row.name.clone(),
            format!("{:.0}", row.median),
            format!("{:.0}-{:.0}", row.min, row.max),
            format!("{:.0}", row.median - floor),
            over_filter.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}")),
        ];
        add(
            &mut table,
            cells,
            before(earlier, "frames", &row.name, "median", |ns| format!("{ns:.0}")),
        );
    }
    end(&table);
    println!("\nNanoseconds by test run, medians. Small: 10 PSAPs and denied prefixes; large:");
    println!("6,000 and 100,000. Rows with sources include what drawing them costs (floor).");
    if filter.is_none() {
        println!("xdp-filter is not installed (package xdp-tools): no ratio to it.");
    }
}

fn floods(rows: &[Row], earlier: Option<&Earlier>) {
    let columns = ["FLOOR", "FILTER", "RAW", "INGR.", "GUARD"];
    let mut table = begin("MFRAMES/S, BY SOURCES", &columns, earlier);
    let mut series: Vec<&str> = Vec::new();
    for (name, _) in rows.iter().filter_map(|row| row.name.rsplit_once(": ")) {
        if !series.contains(&name) {
            series.push(name);
        }
    }
    for name in series {
        let mut cells = vec![short(name)];
        for decider in DECIDERS {
            let rate = find(rows, &format!("{name}: {decider}"));
            cells.push(
                rate.map_or_else(|| "-".to_owned(), |row| format!("{:.2}", row.median / 1e6)),
            );
        }
        let (guard, millions) = (format!("{name}: guard"), |rate| format!("{:.2}", rate / 1e6));
        let before = before(earlier, "floods", &guard, "median", millions);
        add(&mut table, cells, before);
    }
    println!();
    end(&table);
    println!("\nMillions over a cable of veths, made and decided about by the same cores.");
    println!("Filter: xdp-filter; raw, ingr.: nftables in raw prerouting and at ingress.");
}

fn changes(rows: &[Row], earlier: Option<&Earlier>) -> Table {
    let mut table = begin("CHANGE", &["MS", "MIN-MAX"], earlier);
    for row in rows {
        let spread = format!("{}-{}", number(row.min), number(row.max));
        let cells = vec![row.name.clone(), number(row.median), spread];
        add(&mut table, cells, before(earlier, "changes", &row.name, "median", number));
    }
    table
}

fn memory(of: &Memory) {
    let heading = format!("MAPS, {} PSAPS, {} DENIED", of.psaps, of.denied);
    let mut table = begin(&heading, &["MIB", "OF EACH CPU"], None);
    let mib = |bytes: u64| format!("{:.2}", bytes as f64 / MIB);
    let (listed, rest) = of.maps.split_at(MAPS.min(of.maps.len()));
    for map in listed {
        table.add_row([map.name.clone(), mib(map.bytes), mib(map.per_cpu)]);
    }
    let sum = |of: fn(&MapMemory) -> u64| rest.iter().map(of).sum();
    let others = format!("{} others", rest.len());
    table.add_row([others, mib(sum(|map| map.bytes)), mib(sum(|map| map.per_cpu))]);
    table.add_row([format!("in all, {} CPUs", of.cpus), mib(of.bytes), mib(of.per_cpu)]);
    println!();
    end(&table);
}

fn calls(of: &[Calls]) {
    let columns = ["MFRAMES/S", "TRIED", "ANSWERED", "P50 MS", "P99 MS"];
    let mut table = begin("CALLS, BY FLOOD", &columns, None);
    for calls in of {
        for (phase, name) in
            [("quiet", "before it"), ("unguarded", "no guard"), ("guarded", "guard")]
        {
            let Some(phase) = calls.phase(phase) else { continue };
            let figure = |figure: Option<f64>| figure.map_or("-".to_owned(), |f| format!("{f:.2}"));
            table.add_row([
                format!("{}: {name}", calls.name),
                figure(phase.flood_rate.map(|rate| rate / 1e6)),
                phase.tried().to_string(),
                phase.answered().to_string(),
                figure(phase.worst(|times| times.median_ms)),
                figure(phase.worst(|times| times.p99_ms)),
            ]);
        }
    }
    println!();
    end(&table);
    println!(
        "\nA carrier and a stranger call two PSAPs, one of which is flooded at port 5060 from"
    );
    println!("16.8 million sources. INVITE to 200 by time stamps of packets; who fared worst.");
}

fn targets(targets: &[Target], earlier: Option<&Earlier>) -> Table {
    let mut table = begin("WHAT IT COMES TO", &["TODAY", "BOUND", "GOAL", ""], earlier);
    for target in targets {
        let word = match (target.bound, target.goal) {
            (None, _) => "",
            _ if !target.meets(target.bound) => "misses",
            (_, Some(goal)) if target.meets(Some(goal)) => "goal",
            _ => "bound",
        };
        let optional = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), number);
        let cells = vec![
            target.name.clone(),
            number(target.value),
            optional(target.bound),
            optional(target.goal),
            word.to_owned(),
        ];
        add(&mut table, cells, before(earlier, "targets", &target.name, "value", number));
    }
    table
}

fn number(value: f64) -> String {
    if value < 100.0 { format!("{value:.2}") } else { format!("{value:.0}") }
}

/// What the earlier run says, if it is to be shown.
fn before(
    earlier: Option<&Earlier>,
    section: &str,
    name: &str,
    field: &str,
    shown: impl Fn(f64) -> String,
) -> Option<String> {
    let value = earlier?.number(section, name, field);
    Some(value.map_or_else(|| "-".to_owned(), shown))
}

fn begin(first: &str, columns: &[&str], earlier: Option<&Earlier>) -> Table {
    let mut table = Table::new();
    table.load_preset(NOTHING);
    let mut heading = vec![first];
    heading.extend(columns);
    heading.extend(earlier.map(|_| "BEFORE"));
    table.set_header(heading);
    for (place, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if place > 0 {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

fn add(table: &mut Table, mut cells: Vec<String>, before: Option<String>) {
    cells.extend(before);
    table.add_row(cells);
}

fn end(table: &Table) {
    for line in table.lines() {
        println!("{}", line.trim_end());
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test may panic")]

    use super::super::report::{Report, SCHEMA};
    use super::super::target::of_sizes;
    use super::*;

    fn row(name: &str, value: f64) -> Row {
        Row::of(name, &[value]).unwrap()
    }

    fn report(frames: Vec<Row>, changes: Vec<Row>, bytes: u64) -> Report {
        let (psaps, denied, cpus, per_cpu) = (10, 10, 2, 0);
        let maps = Vec::new();
        let memory = vec![Memory { name: "small", psaps, denied, cpus, maps, bytes, per_cpu }];
        Report {
            schema: SCHEMA,
            machine: "a machine".to_owned(),
            frames,
            floods: Vec::new(),
            changes,
            targets: of_sizes(&memory, &[]),
            memory,
            verified: Vec::new(),
            calls: Vec::new(),
            missing: Vec::new(),
        }
    }

    /// The columns of a line, by its name.
    fn line(table: &Table, name: &str) -> Vec<String> {
        let line = table.lines().find(|line| line.starts_with(name)).unwrap();
        line.split("  ").map(str::trim).filter(|it| !it.is_empty()).map(str::to_owned).collect()
    }

    #[test]
    fn an_earlier_run_is_read_and_shown_beside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("old.json");
        let old = report(vec![row(FLOOR, 20.0)], vec![row("deny add", 41.0)], 8 << 20);
        old.write(&path).unwrap();
        let earlier = Earlier::read(&path).unwrap();
        assert_eq!(earlier.number("frames", FLOOR, "median"), Some(20.0));
        assert_eq!(earlier.number("frames", "another", "median"), None);

        let new = vec![row("deny add", 52.0), row("deny remove", 53.0)];
        let new = report(Vec::new(), new, 9 << 20);
        let table = changes(&new.changes, Some(&earlier));
        assert_eq!(line(&table, "CHANGE"), ["CHANGE", "MS", "MIN-MAX", "BEFORE"]);
        assert_eq!(line(&table, "deny add"), ["deny add", "52.00", "52.00-52.00", "41.00"]);
        assert_eq!(line(&table, "deny remove").last().unwrap(), "-", "it was not measured then");
        let table = targets(&new.targets, Some(&earlier));
        let line_of = line(&table, "maps, small");
        assert_eq!(line_of.get(1).unwrap(), "9.00");
        assert_eq!(line_of.last().unwrap(), "8.00");
        // Without one there is no such column.
        assert_eq!(line(&changes(&new.changes, None), "CHANGE").last().unwrap(), "MIN-MAX");
    }

    #[test]
    fn what_is_no_earlier_run_is_refused_with_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("old.json");
        let refused = |path: &std::path::Path| format!("{:#}", Earlier::read(path).unwrap_err());
        assert!(refused(&path).contains("cannot read"));
        for (text, why) in [
            ("no JSON", "is no bench JSON"),
            ("{}", "is of another version"),
            ("{\"schema\": 1}", "is of another version"),
        ] {
            std::fs::write(&path, text).unwrap();
            let said = refused(&path);
            assert!(said.contains("old.json") && said.contains(why), "{said}");
        }
    }
}
