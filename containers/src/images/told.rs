//! The output of a build, as the lines that its steps wrote.
//!
//! The engine's stream is split wherever a step's program happened to write (curl's errors arrive
//! letter by letter), and stderr output is coloured piece by piece (moby, `pkg/streamformatter`).

use std::collections::VecDeque;

use lines::LineBuffer;

/// How many of a step's last lines are shown when it fails.
const LAST_LINES: usize = 8;

/// Longer lines are left out, in bytes: they are useless to a reader.
const LINE: usize = 64 << 10;

/// The current step, and its last output.
pub(super) struct Told {
    /// The unfinished line, as it arrived.
    begun: LineBuffer,
    /// `Step 2/4 : RUN true`.
    step: Option<String>,
    said: VecDeque<String>,
}

impl Told {
    pub(super) fn new() -> Self {
        Told { begun: LineBuffer::new(LINE), step: None, said: VecDeque::new() }
    }

    /// Takes one piece of the stream; `progress` gets each new step.
    pub(super) fn piece(&mut self, piece: &str, progress: &(dyn Fn(&str) + Send + Sync)) {
        self.begun.push(piece.as_bytes());
        loop {
            match self.begun.next_line() {
                Ok(Some(line)) => self.line(&line, progress),
                Ok(None) => return,
                Err(_) => self.begun = LineBuffer::new(LINE),
            }
        }
    }

    /// The last step, and its last lines.
    pub(super) fn end(mut self) -> (Option<String>, Vec<String>) {
        if let Some(line) = self.begun.last_line() {
            self.line(&line, &|_| ());
        }
        (self.step, self.said.into())
    }

    fn line(&mut self, line: &[u8], progress: &(dyn Fn(&str) + Send + Sync)) {
        let line = anstream::adapter::strip_str(&String::from_utf8_lossy(line)).to_string();
        // A progress bar overwrites itself.
        let line = line.trim_end().rsplit('\r').next().unwrap_or_default();
        if line.is_empty() {
            return;
        }
        if line.starts_with("Step ") {
            progress(line);
            (self.step, self.said) = (Some(line.to_owned()), VecDeque::new());
            return;
        }
        self.said.push_back(line.to_owned());
        if self.said.len() > LAST_LINES {
            self.said.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// All reported steps, the last one, and its output.
    fn told(pieces: &[&str]) -> (Vec<String>, Vec<String>) {
        let (steps, mut told) = (Mutex::new(Vec::new()), Told::new());
        for piece in pieces {
            told.piece(piece, &|step| steps.lock().unwrap().push(step.to_owned()));
        }
        let steps = steps.into_inner().unwrap();
        let (last, said) = told.end();
        assert_eq!(last.as_ref(), steps.last());
        (steps, said)
    }

    #[test]
    fn a_line_is_whole_wherever_the_stream_is_cut() {
        let red = |text: &str| format!("\u{1b}[91m{text}\u{1b}[0m");
        let stream =
            ["Step 1/2 : FROM a\n", " ---> 0123\n", "Step 2/2 : RUN curl é\n", "one\r\n", "\n", "10%\r99%\n", "end"];
        let (steps, said) = told(&stream);
        assert_eq!(steps, ["Step 1/2 : FROM a", "Step 2/2 : RUN curl é"]);
        assert_eq!(said, ["one", "99%", "end"]);
        let letters: Vec<String> = stream.concat().chars().map(String::from).collect();
        let letters: Vec<&str> = letters.iter().map(String::as_str).collect();
        assert_eq!(told(&letters), (steps.clone(), said.clone()));
        let coloured: Vec<String> = letters.iter().map(|letter| red(letter)).collect();
        assert_eq!(told(&coloured.iter().map(String::as_str).collect::<Vec<_>>()), (steps.clone(), said.clone()));
        assert_eq!(told(&[&stream.concat()]), (steps, said));
    }

    #[test]
    fn the_last_lines_are_kept_and_no_line_is_endless() {
        let lines: String = (0..20).map(|line| format!("{line}\n")).collect();
        assert_eq!(told(&[&lines]).1, ["12", "13", "14", "15", "16", "17", "18", "19"]);
        let endless = "é".repeat(LINE);
        assert_eq!(told(&["first\n", &endless, &endless, "x\nnext\n"]).1, ["first", "x", "next"]);
    }
}
