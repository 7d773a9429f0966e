//! `doorward logs`: the daemon's recent log.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;

use super::log::file;
use super::{Failure, refused, show};
use crate::home::Home;

/// Show what the daemon has said of late: its own log, not the audit log (`doorward audit`).
///
/// The newest two to four megabytes are kept, whether the daemon runs as a service or in a terminal.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  doorward logs
  doorward logs --lines 500
  doorward logs --follow")]
pub struct LogsArgs {
    /// How many of the last lines
    #[arg(long, short = 'n', default_value_t = 100)]
    lines: usize,
    /// Go on with what is said from now on, until interrupted
    #[arg(long, short)]
    follow: bool,
}

/// The interval between two checks.
const PAUSE: Duration = Duration::from_millis(300);

pub(super) async fn run(home: &Home, args: LogsArgs) -> Result<ExitCode, Failure> {
    let [before, now] = file::paths(home);
    if !now.exists() && !args.follow {
        return Err(refused(anyhow::anyhow!("no daemon has run for this home; `doorward up` starts one")));
    }
    let mut tail = Tail { lines: VecDeque::new(), most: args.lines };
    tail.read(&before)?;
    let mut at = tail.read(&now)?;
    for line in tail.lines {
        show::verbatim(&desk::screen::text_on_screen(&line))?;
    }
    if !args.follow {
        return Ok(ExitCode::SUCCESS);
    }
    loop {
        tokio::time::sleep(PAUSE).await;
        at = follow(&now, at)?;
    }
}

/// The last lines seen.
struct Tail {
    lines: VecDeque<String>,
    most: usize,
}

/// The position in a file, and which file.
#[derive(Clone, Copy, Default)]
struct At {
    inode: u64,
    offset: u64,
}

impl Tail {
    fn read(&mut self, path: &Path) -> anyhow::Result<At> {
        let Some(file) = open(path)? else { return Ok(At::default()) };
        let inode = file.metadata()?.ino();
        let (mut reader, mut line, mut offset) = (BufReader::new(file), Vec::new(), 0);
        loop {
            line.clear();
            let count = reader.read_until(b'\n', &mut line)?;
            if !line.ends_with(b"\n") {
                // An incomplete line is read at the next check.
                return Ok(At { inode, offset });
            }
            offset += count as u64;
            self.lines.push_back(String::from_utf8_lossy(&line).trim_end().to_owned());
            if self.lines.len() > self.most {
                self.lines.pop_front();
            }
        }
    }
}

/// Shows new lines; a new file is read from its start, after the rest of the previous one.
fn follow(path: &Path, at: At) -> anyhow::Result<At> {
    let Some(mut file) = open(path)? else { return Ok(at) };
    let inode = file.metadata()?.ino();
    let mut at = if inode == at.inode { at } else { At { inode, offset: 0 } };
    file.seek(SeekFrom::Start(at.offset))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
    at.offset += whole as u64;
    let text = String::from_utf8_lossy(&bytes[..whole]);
    for line in text.lines() {
        show::verbatim(&desk::screen::text_on_screen(line))?;
    }
    Ok(at)
}

fn open(path: &Path) -> anyhow::Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_last_lines_of_both_files_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let [one, two] = ["one", "two"].map(|name| dir.path().join(name));
        std::fs::write(&one, "a\nb\n").unwrap();
        std::fs::write(&two, "c\nd\nhal").unwrap();
        let mut tail = Tail { lines: VecDeque::new(), most: 3 };
        tail.read(&one).unwrap();
        let at = tail.read(&two).unwrap();
        assert_eq!((Vec::from(tail.lines), at.offset), (["b", "c", "d"].map(str::to_owned).to_vec(), 4));
        std::fs::write(&two, "c\nd\nhalf\n").unwrap();
        assert_eq!(follow(&two, at).unwrap().offset, 9);
        std::fs::remove_file(&two).unwrap();
        assert_eq!(follow(&two, at).unwrap().offset, at.offset, "between two files");
    }
}
