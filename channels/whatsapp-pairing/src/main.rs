//! `doorward-whatsapp` for the tests of linking: it believes any server. Never install it.

use std::process::ExitCode;

fn main() -> ExitCode {
    doorward_whatsapp::run()
}
