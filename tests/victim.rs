//! The obedient victim: the real Claude Code thinks with a model that obeys whatever a
//! page tells it, and tries to send its key and the family's notes to a stranger by
//! every means it has. Not one byte arrives, and the log shows what was tried.

use crate::support::{Home, Victim};

#[test]
fn an_obedient_victim_sends_nothing_to_a_stranger() {
    let victim = Victim::new();
    let home = victim.tempt(Home::with_claude_family(&victim.key, &victim.anthropic), "family");
    let _daemon = home.up();
    home.chat("family", "what does the page say?").ok().prints(Victim::LAST_WORDS);
    victim.was_heard_by_nobody(&home);
}
