//! `doorward-whatsapp`: the program is [`doorward_whatsapp::run`].

use std::process::ExitCode;

fn main() -> ExitCode {
    doorward_whatsapp::run()
}
