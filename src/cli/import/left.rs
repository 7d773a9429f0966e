//! What is not imported, each with what to do instead.

use super::Import;

impl Import<'_> {
    /// Reports what is not imported, or recreates itself.
    pub(super) fn left(&mut self) {
        let there = |path: &str| self.dir.join(path).exists();
        let whatsapp = there("store/auth");
        let keys = there(".env");
        let sessions = there("data/sessions");
        if sessions {
            self.report.left(
                "the agents' sessions: the next message in a group begins a new conversation, which knows its memory",
            );
        }
        if whatsapp {
            self.report.left("the link with WhatsApp: `doorward whatsapp link` makes a new one; stop NanoClaw first");
        }
        if keys {
            self.report.left("the keys in .env: `doorward credential add anthropic` asks for one and keeps it");
        }
        self.report.left(
            "the assistant's own answers, logs, the history of tasks, and names of chats that are not registered",
        );
    }
}
