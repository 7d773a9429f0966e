//! `errors/`: files that were not carried out, numbered, with the reason in a file beside each.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::ffi::CStr;
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{AtFlags, Mode, OFlags, mkdirat, openat, renameat, unlinkat};
use rustix::io::Errno;

/// The folder.
const NAME: &str = "errors";

/// The most that are kept; the oldest goes first.
const KEPT: usize = 100;

/// The most of a file's own name that is kept.
const NAME_KEPT: usize = 80;

/// The files that were put away.
#[derive(Debug, Default)]
pub(super) struct Errors(RefCell<Kept>);

#[derive(Debug, Default)]
struct Kept {
    last: u64,
    names: VecDeque<String>,
}

impl Errors {
    /// Puts a file away, or removes it if that fails. Afterwards it is no longer where it was,
    /// unless the agent's own files are in the way.
    pub(super) fn put_away(&self, root: BorrowedFd<'_>, from: BorrowedFd<'_>, name: &CStr, why: &str) {
        if self.keep(root, from, name, why).is_err() && unlinkat(from, name, AtFlags::empty()) == Err(Errno::ISDIR) {
            let _ = unlinkat(from, name, AtFlags::REMOVEDIR);
        }
    }

    fn keep(&self, root: BorrowedFd<'_>, from: BorrowedFd<'_>, name: &CStr, why: &str) -> std::io::Result<()> {
        match mkdirat(root, NAME, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        let errors = openat(root, NAME, OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
        let mut kept = self.0.borrow_mut();
        kept.last += 1;
        let put = format!("{:06}-{}", kept.last, plain(name));
        renameat(from, name, &errors, &put)?;
        if let Err(error) = reason(errors.as_fd(), &put, why) {
            crate::agents::complain(&format!("the reason why a file of {NAME} is there cannot be written: {error}"));
        }
        kept.names.push_back(put);
        while kept.names.len() > KEPT {
            let Some(oldest) = kept.names.pop_front() else { break };
            let _ = unlinkat(&errors, format!("{oldest}.why"), AtFlags::empty());
            let _ = unlinkat(&errors, &oldest, AtFlags::empty());
        }
        Ok(())
    }
}

fn reason(errors: BorrowedFd<'_>, name: &str, why: &str) -> std::io::Result<()> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(errors, format!("{name}.why"), flags, Mode::RUSR | Mode::WUSR)?;
    std::fs::File::from(file).write_all(format!("{}\n", why.trim_end()).as_bytes())
}

/// A name without characters that have a meaning to a shell or a terminal.
fn plain(name: &CStr) -> String {
    let plain = |byte: &u8| if byte.is_ascii_alphanumeric() || b"._-".contains(byte) { char::from(*byte) } else { '_' };
    name.to_bytes().iter().take(NAME_KEPT).map(plain).collect()
}
