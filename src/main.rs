//! The program `doorward`: parses the command line and runs the command.

use std::process::ExitCode;

fn main() -> ExitCode {
    doorward::cli::run()
}
