//! The figures as tables that fit 80 columns.

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use guard_tests::bench::calls::Calls;
use guard_tests::bench::figure::{Row, find, ratio};
use guard_tests::bench::memory::Memory;
use guard_tests::bench::report::{Earlier, Report};
use guard_tests::bench::subject::{FLOOR, XDP_FILTER};
use guard_tests::bench::target::{Target, short};

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
    changes(&report.changes, earlier);
    for of in &report.memory {
        memory(of);
    }
    if !report.calls.is_empty() {
        calls(&report.calls);
    }
    targets(&report.targets, earlier);
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

fn changes(rows: &[Row], earlier: Option<&Earlier>) {
    let mut table = begin("CHANGE", &["MS", "MIN-MAX"], earlier);
    for row in rows {
        let spread = format!("{}-{}", number(row.min), number(row.max));
        let cells = vec![row.name.clone(), number(row.median), spread];
        add(&mut table, cells, before(earlier, "changes", &row.name, "median", number));
    }
    println!();
    end(&table);
}

fn memory(of: &Memory) {
    let heading = format!("MAPS, {} PSAPS, {} DENIED", of.psaps, of.denied);
    let mut table = begin(&heading, &["MIB", "OF EACH CPU"], None);
    let mib = |bytes: u64| format!("{:.2}", bytes as f64 / MIB);
    let (listed, rest) = of.maps.split_at(MAPS.min(of.maps.len()));
    for map in listed {
        table.add_row([map.name.clone(), mib(map.bytes), mib(map.per_cpu)]);
    }
    let sum = |of: fn(&guard_tests::bench::memory::MapMemory) -> u64| rest.iter().map(of).sum();
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

fn targets(targets: &[Target], earlier: Option<&Earlier>) {
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
    println!();
    end(&table);
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
