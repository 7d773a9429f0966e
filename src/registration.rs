//! A chat becomes a group: its row, its folder with its memory begun, a file that says who answers, and a
//! policy file that allows nothing but what its agent thinks with. For the command line, and for agents
//! whose owner said yes.

mod files;
pub mod whatsapp;

use std::io;
use std::path::{Path, PathBuf};

use policies::GroupName;

use crate::config::Agent;
use crate::home::{Home, HomeError, create_private_dir};
use crate::store::{AddGroupError, Group, NewGroup, Store, StoreError};
use crate::{images, memory};

/// A group that was registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// It.
    pub group: Group,
    /// Files of its name that were there before, and are in force.
    pub stayed: Vec<PathBuf>,
}

/// Why a group was not registered. Nothing of it is left.
#[derive(Debug, thiserror::Error)]
pub enum NotRegistered {
    /// Its name or its chat.
    #[error(transparent)]
    Group(#[from] AddGroupError),
    /// Its policy would be that of an image.
    #[error(
        "a group cannot be called {0}: policies/{0}.toml is what the build of an image fetches by; choose another name"
    )]
    OfAnImage(GroupName),
    /// Its folder.
    #[error(transparent)]
    Folder(#[from] HomeError),
    /// What is written for it.
    #[error("cannot write {path}: {error}", path = path.display())]
    Write {
        /// Where.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Registers a group.
pub fn register(home: &Home, store: &Store, new: &NewGroup<'_>, agent: &Agent) -> Result<Registered, NotRegistered> {
    if images::is_policy_of_one(new.name) {
        return Err(NotRegistered::OfAnImage(new.name.clone()));
    }
    let group = store.add_group(new)?;
    let made = make_folder(&home.group_dir(new.name), new.name).and_then(|()| files::write(home, new.name, agent));
    match made {
        Ok(stayed) => Ok(Registered { group, stayed }),
        Err(error) => {
            // Half a group would be worse than none.
            store.remove_group(new.name)?;
            Err(error)
        }
    }
}

/// The group's folder, with its memory begun. One that an earlier group of the name has
/// left may belong to its sandboxes' user by now, and stays.
fn make_folder(folder: &Path, name: &GroupName) -> Result<(), NotRegistered> {
    if !folder.is_dir() {
        create_private_dir(folder)?;
    }
    memory::begin(folder, name).map_err(|error| NotRegistered::Write { path: folder.to_owned(), error })
}
