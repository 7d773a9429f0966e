//! `list_groups`: the owner's own group sees all groups, every other only itself.

use policies::Refusal;
use proxy::ports::Caller;
use serde::Deserialize;
use serde_json::json;

use super::asked::{Asked, Described};
use super::{Operations, Proof, unavailable};
use crate::store::Group;

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListGroups {}

impl Asked for ListGroups {
    fn described() -> Described {
        Described {
            what: "The groups that you may know of, as JSON: your own, and in the owner's own chat all. A group is called \
                   by its name."
                .to_owned(),
            properties: json!({}),
            required: &[],
        }
    }

    fn perform(&self, operations: &Operations, caller: &Caller, _: Proof<'_>) -> Result<String, Refusal> {
        let groups = operations.known_groups(caller)?;
        let own = &caller.identity().group;
        let told = groups.iter().map(|Group { name, channel, is_main, .. }| {
            json!({ "name": name, "channel": channel, "main": is_main, "own": name == own })
        });
        Ok(format!("{:#}", json!({ "groups": told.collect::<Vec<_>>() })))
    }
}

impl Operations {
    /// The groups that a group's agent may know of.
    pub(super) fn known_groups(&self, caller: &Caller) -> Result<Vec<Group>, Refusal> {
        let all = self.chats()?.store.groups().map_err(|error| unavailable(&error))?;
        let own = &caller.identity().group;
        let is_main = all.iter().any(|group| group.name == *own && group.is_main);
        Ok(all.into_iter().filter(|group| is_main || group.name == *own).collect())
    }
}
