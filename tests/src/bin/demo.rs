//! `cargo xtask demo`, see `guard_tests::demo`.

use std::process::ExitCode;

fn main() -> ExitCode {
    guard_tests::demo::main()
}
