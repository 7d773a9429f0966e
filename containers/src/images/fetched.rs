//! The files fetched for an image, as they come out of a sandbox: an archive that may contain anything. Plain files and
//! folders with plain names are copied into another archive; none of them is ever on the host under its own name.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use tar::{Archive, Builder, Entry, EntryType, Header};

/// The folder of a build that contains them.
pub const FILES: &str = "files";

/// The most bytes, names and padding included.
pub const MOST_FETCHED: u64 = 2 << 30;

/// The most files and folders.
const MOST_ENTRIES: usize = 100_000;

/// How an archive is made of a sandbox's working folder: in the oldest format, in which no entry describes the next.
pub const PACK: [&str; 10] = [
    "/usr/bin/tar",
    "--create",
    "--file=-",
    "--format=ustar",
    "--owner=0",
    "--group=0",
    "--hard-dereference",
    "--sort=name",
    "--directory=/workspace/group",
    ".",
];

/// Fetched files, ready to be built.
#[derive(Debug)]
pub struct Fetched {
    archive: PathBuf,
    /// The number of files.
    pub files: usize,
    /// Their size in bytes.
    pub bytes: u64,
}

/// Why the archive cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FetchedError {
    /// A link.
    #[error(
        "`fetch` left the link {0}, and none is taken: where it leads is another place in the build. Pack what has links \
         (`tar -czf app.tgz app && rm -r app`), and unpack it in Dockerfile.add"
    )]
    Link(String),
    /// Neither a file nor a folder.
    #[error("`fetch` left {0}, which is neither a file nor a folder; let it remove that")]
    Kind(String),
    /// A name with another meaning elsewhere.
    #[error("`fetch` left {0}, whose name cannot be used in a build; let it rename that, or pack it")]
    Name(String),
    /// Too much.
    #[error("`fetch` left more than {MOST_ENTRIES} files or {} GiB; let it remove what the image does not need", MOST_FETCHED >> 30)]
    TooMuch,
    /// It is not an archive, or cannot be written.
    #[error("what `fetch` left cannot be packed: {0}")]
    Io(#[from] io::Error),
}

impl Fetched {
    /// Nothing.
    pub fn nothing(to: PathBuf) -> Result<Self, FetchedError> {
        Self::of_archive(&mut io::empty(), to)
    }

    /// Reads `archive`, and keeps the result at `to`.
    pub fn of_archive(archive: &mut impl Read, to: PathBuf) -> Result<Self, FetchedError> {
        let mut written = Builder::new(File::create(&to)?);
        folder(&mut written, FILES)?;
        let (mut seen, mut files, mut bytes) = (BTreeSet::new(), 0, 0);
        for entry in Archive::new(archive.take(MOST_FETCHED)).entries()?.raw(true) {
            let mut entry = entry?;
            let name = name(&entry)?;
            if name.is_empty() {
                continue;
            }
            if seen.len() == MOST_ENTRIES {
                return Err(FetchedError::TooMuch);
            }
            let within = format!("{FILES}/{name}");
            match entry.header().entry_type() {
                EntryType::Directory => folder(&mut written, &within)?,
                EntryType::Regular => {
                    let size = entry.size();
                    let mut header = plain(EntryType::Regular, if executable(&entry) { 0o755 } else { 0o644 });
                    header.set_size(size);
                    written.append_data(&mut header, &within, Whole { from: &mut entry, left: size })?;
                    (files, bytes) = (files + 1, bytes + size);
                }
                EntryType::Symlink | EntryType::Link => return Err(FetchedError::Link(shown(&name))),
                _ => return Err(FetchedError::Kind(shown(&name))),
            }
            if !seen.insert(name.clone()) {
                return Err(FetchedError::Name(format!("{} twice", shown(&name))));
            }
        }
        written.into_inner()?.flush()?;
        Ok(Fetched { archive: to, files, bytes })
    }

    /// Where it is kept.
    pub(super) fn archive(&self) -> &Path {
        &self.archive
    }
}

/// Exactly this many bytes: fewer are an error, not an end.
struct Whole<R> {
    from: R,
    left: u64,
}

impl<R: Read> Read for Whole<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(buffer)?;
        self.left = self.left.saturating_sub(read as u64);
        match read {
            0 if self.left > 0 && !buffer.is_empty() => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(read),
        }
    }
}

fn executable(entry: &Entry<'_, impl Read>) -> bool {
    entry.header().mode().is_ok_and(|mode| mode & 0o111 != 0)
}

/// The name relative to the folder, with single slashes; empty for the folder itself.
fn name(entry: &Entry<'_, impl Read>) -> Result<String, FetchedError> {
    let bytes = entry.path_bytes();
    let refused = || FetchedError::Name(shown(String::from_utf8_lossy(&bytes).trim_start_matches("./")));
    let text = std::str::from_utf8(&bytes).map_err(|_| refused())?;
    if text.starts_with('/') || text.chars().any(|c| c.is_control() || c == '\\') {
        return Err(refused());
    }
    let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    if parts.contains(&"..") {
        return Err(refused());
    }
    Ok(parts.join("/"))
}

fn shown(name: &str) -> String {
    name.escape_debug().take(120).collect()
}

fn folder(written: &mut Builder<File>, name: &str) -> io::Result<()> {
    let mut header = plain(EntryType::Directory, 0o755);
    header.set_size(0);
    written.append_data(&mut header, format!("{name}/"), io::empty())
}

/// Owned by root, without a time: the same files give the same image.
fn plain(kind: EntryType, mode: u32) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// An archive with one entry, whatever its name says.
    fn with(name: &[u8], kind: EntryType, content: &[u8]) -> Vec<u8> {
        let mut header = Header::new_ustar();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name);
        header.set_entry_type(kind);
        header.set_mode(0o4755);
        header.set_size(content.len() as u64);
        header.set_cksum();
        let mut archive = header.as_bytes().to_vec();
        archive.extend_from_slice(content);
        archive.resize(archive.len().next_multiple_of(512), 0);
        archive
    }

    /// Name, kind and mode of an entry.
    type Taken = (String, EntryType, u32);

    fn taken(archive: &[u8]) -> Result<Vec<Taken>, FetchedError> {
        let dir = tempfile::tempdir().unwrap();
        let mut archive: &[u8] = archive;
        let fetched = Fetched::of_archive(&mut archive, dir.path().join("files.tar"))?;
        let mut all = Vec::new();
        for entry in Archive::new(File::open(fetched.archive()).unwrap()).entries().unwrap() {
            let entry = entry.unwrap();
            let header = entry.header();
            assert_eq!((header.uid().unwrap(), header.gid().unwrap(), header.mtime().unwrap()), (0, 0, 0));
            let name = entry.path().unwrap().display().to_string();
            all.push((name, header.entry_type(), header.mode().unwrap()));
        }
        Ok(all)
    }

    #[test]
    fn plain_files_come_out_below_one_folder_and_lose_what_makes_them_special() {
        let archive = [
            with(b"./", EntryType::Directory, b""),
            with(b"./tool", EntryType::Regular, b"#!"),
            with(b"a//./b", EntryType::Regular, b""),
        ]
        .concat();
        let wanted = [
            ("files/", EntryType::Directory, 0o755),
            ("files/tool", EntryType::Regular, 0o755),
            ("files/a/b", EntryType::Regular, 0o755),
        ];
        assert_eq!(taken(&archive).unwrap(), wanted.map(|(name, kind, mode)| (name.to_owned(), kind, mode)));
    }

    #[test]
    fn what_leads_elsewhere_or_is_no_file_is_refused() {
        for (name, kind, wanted) in [
            (&b"../../etc/passwd"[..], EntryType::Regular, "whose name"),
            (b"a/../../b", EntryType::Regular, "whose name"),
            (b"/etc/passwd", EntryType::Regular, "whose name"),
            (b"a\nFROM debian", EntryType::Regular, "whose name"),
            (b"a\xff", EntryType::Regular, "whose name"),
            (b"link", EntryType::Symlink, "the link"),
            (b"hard", EntryType::Link, "the link"),
            (b"pipe", EntryType::Fifo, "neither a file"),
            (b"disk", EntryType::Block, "neither a file"),
            (b"long", EntryType::GNULongName, "neither a file"),
            (b"pax", EntryType::XHeader, "neither a file"),
            (b"global", EntryType::XGlobalHeader, "neither a file"),
            (b"sparse", EntryType::GNUSparse, "neither a file"),
        ] {
            let error = taken(&with(name, kind, b"")).unwrap_err().to_string();
            assert!(error.contains(wanted), "{name:?}: {error}");
        }
        let twice = [with(b"a", EntryType::Regular, b"1"), with(b"./a", EntryType::Regular, b"2")].concat();
        assert!(taken(&twice).unwrap_err().to_string().contains("twice"));
        assert!(taken(&[7; 1024]).is_err(), "no archive");
    }

    /// A missing size, and one beyond every limit.
    #[test]
    fn a_size_that_is_a_lie_ends_it() {
        let mut archive = with(b"large", EntryType::Regular, b"");
        let mut header = Header::new_ustar();
        header.as_mut_bytes().copy_from_slice(&archive[..512]);
        header.set_size(MOST_FETCHED * 2);
        header.set_cksum();
        archive[..512].copy_from_slice(header.as_bytes());
        archive.resize(4096, 1);
        let dir = tempfile::tempdir().unwrap();
        let made = Fetched::of_archive(&mut &archive[..], dir.path().join("files.tar"));
        // The output would be an archive whose reader sees its end too early: it is never returned.
        assert!(made.is_err(), "{made:?}");
    }
}
