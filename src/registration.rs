//! Registers a chat as a group: its row, its folder with a new memory, a settings file that names its agent, and a
//! policy that allows only what that agent needs to think. For the command line, and for agents after the owner's
//! yes.

mod files;
pub mod whatsapp;

use std::io;
use std::path::{Path, PathBuf};

use policies::GroupName;

use crate::config::Agent;
use crate::home::{Home, HomeError, create_private_dir};
use crate::store::{AddGroupError, Group, NewGroup, Store, StoreError};
use crate::{images, memory};

/// A registered group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// The group.
    pub group: Group,
    /// Files of that name that existed before; they are in force.
    pub stayed: Vec<PathBuf>,
}

/// Why a group was not registered. Nothing is left behind.
#[derive(Debug, thiserror::Error)]
pub enum NotRegistered {
    /// Its name or chat is not acceptable.
    #[error(transparent)]
    Group(#[from] AddGroupError),
    /// Its policy's name is reserved for an image.
    #[error(
        "a group cannot be called {0}: policies/{0}.toml is what the build of an image fetches by; choose another name"
    )]
    OfAnImage(GroupName),
    /// Its folder cannot be made.
    #[error(transparent)]
    Folder(#[from] HomeError),
    /// One of its files cannot be written.
    #[error("cannot write {path}: {error}", path = path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// The database failed.
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
            // Half a group is worse than none.
            store.remove_group(new.name)?;
            Err(error)
        }
    }
}

/// Makes the group's folder and starts its memory. A folder left by an earlier group of that name may belong to its
/// sandboxes' user by now, and stays.
fn make_folder(folder: &Path, name: &GroupName) -> Result<(), NotRegistered> {
    if !folder.is_dir() {
        create_private_dir(folder)?;
    }
    memory::begin(folder, name).map_err(|error| NotRegistered::Write { path: folder.to_owned(), error })
}
