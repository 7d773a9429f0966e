//! A person's input line: with editing, history, and pasted text as one message.

use std::path::{Path, PathBuf};

use rustix::process;
use rustix::termios::{self, OptionalActions, Termios};
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{Config, Editor, ExternalPrinter};
use tokio::sync::{mpsc, oneshot};

use super::super::show::{self, Screen, Styled};
use crate::home::create_private_dir;

/// The most lines of history.
const REMEMBERED: usize = 1000;

/// Tells a terminal to stop marking pasted text (xterm's bracketed paste).
const UNMARKED: &str = "\x1b[?2004l";

/// A person at a prompt.
pub(super) struct Prompt {
    typed: mpsc::Receiver<String>,
    /// Prints above the line being edited.
    above: Option<Box<dyn ExternalPrinter + Send>>,
    _terminal: Before,
}

impl Prompt {
    /// Shows the prompt. Input is remembered in the file.
    pub(super) async fn open(prompt: String, history: PathBuf) -> Self {
        let terminal = Before::now();
        let (to, typed) = mpsc::channel(16);
        let (ready, above) = oneshot::channel();
        // A separate thread: reading from a terminal cannot be cancelled, and must not delay the end of the program.
        std::thread::spawn(move || {
            let mut editor = Lines::new(&history);
            // Fails if nobody waits for it any more.
            let _ = ready.send(editor.above());
            while let Some(line) = editor.next(&prompt) {
                if to.blocking_send(line).is_err() {
                    return;
                }
            }
        });
        Prompt { typed, above: above.await.ok().flatten(), _terminal: terminal }
    }

    /// The next input; `None` when the person leaves. Cancel-safe.
    pub(super) async fn next(&mut self) -> Option<String> {
        self.typed.recv().await
    }

    /// Shows a text above the line being edited.
    pub(super) fn show(&mut self, text: &Styled) -> std::io::Result<()> {
        self.show_laid_out(text.on(Screen::stdout()))
    }

    /// The same for lines that are already laid out.
    pub(super) fn show_laid_out(&mut self, lines: String) -> std::io::Result<()> {
        match &mut self.above {
            Some(above) => above.print(lines + "\n").map_err(std::io::Error::other),
            None => show::verbatim(&lines),
        }
    }
}

/// A terminal's earlier state: restored however the chat ends.
struct Before(Option<Termios>);

impl Before {
    fn now() -> Self {
        Before(termios::tcgetattr(std::io::stdin()).ok())
    }
}

impl Drop for Before {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            let _ = termios::tcsetattr(std::io::stdin(), OptionalActions::Now, before);
            show::codes(UNMARKED);
        }
    }
}

/// Lines from a terminal, one after the other.
struct Lines {
    editor: Option<Editor<(), FileHistory>>,
    history: PathBuf,
}

impl Lines {
    fn new(history: &Path) -> Self {
        // As in shells, lines that begin with a space are not remembered.
        let config = Config::builder().max_history_size(REMEMBERED);
        let config = config.map(|config| config.history_ignore_space(true).bracketed_paste(true).build());
        let mut editor = config.and_then(Editor::with_config).ok();
        if let Some(editor) = &mut editor {
            // At first there is none.
            let _ = editor.load_history(history);
        }
        Lines { editor, history: history.to_owned() }
    }

    fn above(&mut self) -> Option<Box<dyn ExternalPrinter + Send>> {
        let printer = self.editor.as_mut()?.create_external_printer().ok()?;
        Some(Box::new(printer))
    }

    /// The next message; `None` if the person leaves.
    fn next(&mut self, prompt: &str) -> Option<String> {
        loop {
            let line = match self.editor.as_mut()?.readline(prompt) {
                Ok(line) => line,
                Err(ReadlineError::Interrupted) => interrupt(),
                Err(_) => return None,
            };
            match line.trim() {
                "" => {}
                "/quit" | "/exit" => return None,
                "/help" => show::aside(HELP),
                _ => {
                    self.remember(&line);
                    return Some(line);
                }
            }
        }
    }

    /// Stored in a file that only its owner can read. A failure to store it stops nothing.
    fn remember(&mut self, line: &str) {
        let Some(editor) = self.editor.as_mut() else { return };
        let folder = self.history.parent().filter(|folder| !folder.exists());
        let made = folder.map_or(Ok(()), create_private_dir);
        if matches!(editor.add_history_entry(line), Ok(true)) && made.is_ok() {
            let _ = editor.append_history(&self.history);
        }
    }
}

/// To a line editor Ctrl-C is a key; here it interrupts, as everywhere.
fn interrupt() -> ! {
    let _ = process::kill_process(process::getpid(), process::Signal::INT);
    loop {
        std::thread::park();
    }
}

const HELP: &str = "\
What you write goes to the agent; Enter sends it. A pasted text is one message, however many lines it has.
  stop             ends what is being answered
  /help            this
  /quit or Ctrl-D  leaves; what is being answered goes on where `doorward up` runs
  Up, Ctrl-R       earlier messages; one that begins with a space is not remembered";
