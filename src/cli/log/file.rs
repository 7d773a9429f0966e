//! The same lines in two files in the data folder, for `doorward logs`: the newest few megabytes.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use desk::lock;
use tracing_subscriber::fmt::MakeWriter;

use crate::home::{Home, create_private_dir};

/// The current file and the one before it.
const NOW: &str = "daemon.log";
const BEFORE: &str = "daemon.log.1";

/// The most bytes in one of the two, give or take a line.
const LONGEST: u64 = 2 << 20;

/// The open file.
#[derive(Clone)]
pub(super) struct LogFile(Arc<Mutex<Open>>);

struct Open {
    folder: PathBuf,
    file: File,
    length: u64,
}

/// Both files of a home, the older one first.
pub(in crate::cli) fn paths(home: &Home) -> [PathBuf; 2] {
    [BEFORE, NOW].map(|name| home.log_dir().join(name))
}

impl LogFile {
    /// Continues where the last daemon ended.
    pub(super) fn open(home: &Home) -> anyhow::Result<Self> {
        let folder = home.log_dir();
        create_private_dir(&folder)?;
        Ok(LogFile(Arc::new(Mutex::new(Open::at(folder)?))))
    }
}

impl Open {
    fn at(folder: PathBuf) -> io::Result<Self> {
        let file = append(&folder.join(NOW))?;
        let length = file.metadata()?.len();
        Ok(Open { folder, file, length })
    }

    fn take(&mut self, line: &[u8]) -> io::Result<()> {
        if self.length + line.len() as u64 > LONGEST && self.length > 0 {
            fs::rename(self.folder.join(NOW), self.folder.join(BEFORE))?;
            *self = Open::at(self.folder.clone())?;
        }
        self.file.write_all(line)?;
        self.length += line.len() as u64;
        Ok(())
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

/// Writes as much as the files take: a full disk must not stop the daemon.
impl Write for LogFile {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let _ = lock(&self.0).take(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LogFile {
    type Writer = LogFile;

    fn make_writer(&'a self) -> LogFile {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_newest_lines_are_kept_and_no_more_than_so_many() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path()).unwrap();
        home.prepare().unwrap();
        let mut log = LogFile::open(&home).unwrap();
        let line = |n: usize| format!("{n:0>1000}\n");
        for n in 0..5000 {
            log.write_all(line(n).as_bytes()).unwrap();
        }
        let [before, now] = paths(&home).map(|path| fs::read_to_string(path).unwrap());
        assert!(before.len() as u64 <= LONGEST && now.len() as u64 <= LONGEST);
        assert!(before.len() as u64 > LONGEST - 2000, "{}", before.len());
        let all = before + &now;
        let first: usize = all.lines().next().unwrap().parse().unwrap();
        assert_eq!(all, (first..5000).map(line).collect::<String>(), "none is missing in between");
        let mut again = LogFile::open(&home).unwrap();
        again.write_all(b"later\n").unwrap();
        assert!(fs::read_to_string(&paths(&home)[1]).unwrap().ends_with("later\n"));
    }
}
