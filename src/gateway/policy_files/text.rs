//! The files that policies are made of, and texts that were read from them: nothing else makes a [`Text`].

use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use policies::GroupName;
use policy_file::Source;

use super::PolicyError;
use crate::home::{Home, is_a_file};

/// One of the files.
pub(super) struct PolicyFile {
    path: PathBuf,
    name: String,
}

/// What was in one of them.
#[derive(PartialEq)]
pub(super) struct Text(Source);

impl PolicyFile {
    /// A group's own file.
    pub(super) fn of_group(home: &Home, group: &GroupName) -> Self {
        PolicyFile { path: home.policy_file(group), name: format!("policies/{group}.toml") }
    }

    /// The file of a group's accepted skills.
    pub(super) fn of_skills(home: &Home, group: &GroupName) -> Self {
        PolicyFile { path: home.skills_file(group), name: format!("skills/{group}.toml") }
    }

    /// `base.toml`.
    pub(super) fn base(home: &Home) -> Self {
        PolicyFile { path: home.base_policy_file(), name: "policies/base.toml".to_owned() }
    }

    /// Its path, with links not followed.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The name that its owner knows.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Its text, and what the file system says of the file before and after it was read.
    pub(super) fn read(&self) -> io::Result<(Text, [Metadata; 2])> {
        is_a_file(&std::fs::metadata(&self.path)?)?;
        let mut file = File::open(&self.path)?;
        // From here on there is a file: no error means that there is none.
        let mut read = || {
            let (before, mut text) = (file.metadata()?, String::new());
            file.read_to_string(&mut text)?;
            Ok((Text(Source { name: self.name.clone(), text }), [before, file.metadata()?]))
        };
        read().map_err(|error: io::Error| io::Error::other(error))
    }

    /// Its text now, if there is a file.
    pub(super) fn now(&self) -> Result<Option<Text>, PolicyError> {
        Ok(self.unless_missing(self.read())?.map(|(text, _)| text))
    }

    /// What a missing file amounts to.
    pub(super) fn empty(&self) -> Source {
        Source { name: self.name.clone(), text: String::new() }
    }

    /// What the file system answers, if there is a file.
    pub(super) fn unless_missing<T>(&self, found: io::Result<T>) -> Result<Option<T>, PolicyError> {
        match found {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(PolicyError::Read { file: self.name.clone(), error }),
        }
    }
}

impl Text {
    /// It, under the name that its owner knows.
    pub(super) fn source(&self) -> Source {
        self.0.clone()
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0.text
    }
}
