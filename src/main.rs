//! The program `doorward`: reads the command line and hands over.

use std::process::ExitCode;

fn main() -> ExitCode {
    doorward::cli::run()
}
