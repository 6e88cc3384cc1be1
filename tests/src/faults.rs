//! The faults that tests cause on purpose, and what the guard does in each: what `docs/faults.md`
//! is written from.

mod table;

use std::fmt::Write as _;

pub use self::table::GROUPS;

/// Faults of one kind.
#[derive(Debug)]
pub struct Group {
    /// What they are faults of.
    pub title: &'static str,
    /// The faults.
    pub faults: &'static [Fault],
}

/// A fault that a test causes.
#[derive(Debug)]
pub struct Fault {
    /// What goes wrong.
    pub fault: &'static str,
    /// What the guard does then.
    pub outcome: &'static str,
    /// How people learn of it.
    pub told: &'static str,
    /// The test: file, module and function.
    pub test: &'static str,
}

/// The page.
#[must_use]
pub fn page() -> String {
    let mut page = String::from(
        "# Faults and what the guard does\n\n\
         Written by `GUARD_WRITE_DOCS=1 cargo xtask test faults_table` from what the tests are\n\
         registered for in `tests/src/faults/table.rs`. Each row is held by the test it names,\n\
         which causes the fault on a real kernel with real processes. Where a fault has hundreds\n\
         of places, a run takes as many as fit into its time, other ones each time;\n\
         `GUARD_FAULTS=all` takes every one.\n",
    );
    for Group { title, faults } in GROUPS {
        // Writing to a string cannot fail.
        let _ = write!(
            page,
            "\n## {title}\n\n| fault | what the guard does | how it is told | held by |\n\
             |---|---|---|---|\n"
        );
        for Fault { fault, outcome, told, test } in *faults {
            let _ = writeln!(page, "| {fault} | {outcome} | {told} | `{test}` |");
        }
    }
    page
}
