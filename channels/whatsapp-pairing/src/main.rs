//! `doorward-whatsapp` for the linking tests: it trusts any server. Never install it.

use std::process::ExitCode;

fn main() -> ExitCode {
    doorward_whatsapp::run()
}
