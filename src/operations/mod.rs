//! What an agent may ask of the host, at `http://doorward.internal` through its door.
//!
//! What it is: a handler per operation, one table of permissions, and the interfaces to them (plain HTTP, MCP). The
//! caller is known from the door alone: nothing that a request claims about a group, a chat or a person counts.
//!
//! Claude Code is pointed here by
//! `--mcp-config '{"mcpServers":{"doorward":{"type":"http","url":"http://doorward.internal/mcp"}}}'`;
//! `HTTP_PROXY` in its sandbox leads to the door, and `NO_PROXY` must not name the host.
//!
//! **Invariants**
//! - Nothing is performed without an [`Intent`], the proof that the log has it.
//! - What an agent says goes to its own group's chat, or as a quotation to the owner;
//!   either way it is leak-checked first.
//! - What reaches beyond the asking group waits for the owner's yes to exactly that.
//! - An operation changes no policy. Only the owner does.

mod access;
mod asked;
mod beyond;
mod file;
mod groups;
mod delegate;
mod http;
mod ipc;
mod mcp;
mod message;
mod pace;
mod policy;
mod react;
mod register;
mod table;
mod tasks;
mod usage;

use std::sync::Arc;
use std::time::Instant;

use ::http::{Request as HttpRequest, Response};
use bytes::Bytes;
use policies::{Code, GroupName, Refusal};
use proxy::aside;
use proxy::ports::{Caller, Intent, Internal, Pending, Secrets};

use self::pace::Paces;
use self::table::Request;
use crate::approvals::Approvals;
use crate::delegation::Helpers;
use crate::home::Home;
use crate::phrases::Language;
use crate::pipeline::outbox::OutboxHandle;
use crate::pipeline::people::Roster;
use crate::pipeline::scheduler::TaskBell;
use crate::store::ledger::AuditLog;
use crate::store::{Say, Store, StoreError};

pub use access::asked_facts;
pub use table::{Asker, Operation};
pub use usage::Counted;

/// The operations of one installation: what a door's requests to the host reach.
#[derive(Clone)]
pub struct Operations {
    ledger: Arc<AuditLog>,
    say: Say,
    chats: Option<Chats>,
    paces: Arc<Paces>,
}

/// What operations need of the chats: the store, the outbox, the owner, and more.
#[derive(Clone)]
pub struct Chats {
    /// Groups, runs, messages.
    pub store: Arc<Store>,
    /// Sends what is queued.
    pub outbox: OutboxHandle,
    /// Asks the owner, for what reaches beyond a group.
    pub owner: Arc<Approvals>,
    /// Where groups are registered.
    pub home: Home,
    /// How model usage is counted.
    pub counted: Counted,
    /// Rung when tasks have changed.
    pub bell: TaskBell,
    /// The helpers of agents.
    pub helpers: Arc<Helpers>,
    /// The owner's time zone, if it has a name.
    pub zone: Option<String>,
    /// The language of each group's chat.
    pub spoken: Arc<SpokenIn>,
}

/// The language of a group's chat.
pub type SpokenIn = dyn Fn(&GroupName) -> Language + Send + Sync;

impl Operations {
    /// Builds them for a gateway that is opening, and that supplies its secrets. Without chats (a tour, a drill) no
    /// group is registered.
    pub fn of(ledger: Arc<AuditLog>, chats: Option<Chats>) -> impl FnOnce(Arc<dyn Secrets>) -> Arc<dyn Internal> {
        move |secrets| {
            let say = Say::new(secrets, ledger.clone());
            let say = match chats.as_ref().map(|chats| Arc::clone(&chats.spoken)) {
                Some(spoken) => say.speaking(move |group| spoken(group)),
                None => say,
            };
            Arc::new(Operations { say, ledger, chats, paces: Arc::default() })
        }
    }

    /// Performs an operation, whichever interface it came by: permission, then the owner's yes if needed, then the
    /// record, then the effect. The returned text is for the agent.
    async fn perform(&self, caller: &Caller, request: Request) -> Result<String, Refusal> {
        let operation = request.operation();
        self.may(caller, &request).await.inspect_err(|refusal| caller.refuse(operation.recorded(), refusal))?;
        if let Request::Helpers(asked) = &request {
            asked.wait(self, caller).await;
        }
        // The log and the store may wait for the disk.
        aside(|| {
            let mut intent = caller.intend(operation.recorded())?;
            request.perform(self, caller, &intent).inspect_err(|refusal| intent.failed(refusal))
        })
    }

    async fn may(&self, caller: &Caller, request: &Request) -> Result<(), Refusal> {
        let (operation, group) = (request.operation(), &caller.identity().group);
        let asker = self.asker(caller)?;
        if !operation.may(asker) {
            let whose = if asker == Asker::Helper {
                "whoever gave this helper its task"
            } else {
                "the agents of registered groups"
            };
            let why = format!("{} is for {whose}", operation.name());
            return Err(Refusal::new(Code::OperationRefused, why));
        }
        if operation.has_effect() && !self.paces.take(group, Instant::now()) {
            return Err(too_fast());
        }
        let Some(beyond) = request.beyond(self, caller)? else { return Ok(()) };
        self.owner_says_yes(caller, operation, &beyond).await?;
        // A task may be another by now, and somebody have another name.
        match request.beyond(self, caller)? {
            Some(now) if now == beyond => Ok(()),
            _ => Err(Refusal::new(Code::OperationRefused, "what this is about has changed meanwhile; ask once more")),
        }
    }

    /// Whether a group asks too fast at the moment; nothing is recorded.
    fn is_too_fast(&self, group: &GroupName) -> bool {
        !self.paces.has_room(group, Instant::now())
    }

    /// Records an operation whose arguments cannot be parsed, without the arguments: they are the agent's, and may hold
    /// anything.
    fn refuse_unread(&self, caller: &Caller, operation: Operation) {
        let refusal = Refusal::new(Code::OperationRefused, "its arguments are not what the operation takes");
        caller.refuse(operation.recorded(), &refusal);
    }

    fn asker(&self, caller: &Caller) -> Result<Asker, Refusal> {
        if caller.policy().is_narrowed() {
            return Ok(Asker::Helper);
        }
        let Some(chats) = &self.chats else { return Ok(Asker::Unregistered) };
        let group = chats.store.group(&caller.identity().group).map_err(|error| unavailable(&error))?;
        Ok(match group {
            Some(group) if group.is_main => Asker::Main,
            Some(_) => Asker::Other,
            None => Asker::Unregistered,
        })
    }

    /// An agent's text with people's names instead of [stand-ins](Roster), as its chat knows them.
    fn with_names(&self, group: &GroupName, text: &str) -> String {
        match self.roster(group) {
            Ok(Some(roster)) => roster.reveal(text),
            Ok(None) | Err(_) => text.to_owned(),
        }
    }

    fn roster(&self, group: &GroupName) -> Result<Option<Roster>, Refusal> {
        let chats = self.chats()?;
        Roster::of_group(&chats.home, &chats.store, group).map_err(|error| unavailable(&error))
    }

    /// The chats, for callers whom the table admits.
    fn chats(&self) -> Result<&Chats, Refusal> {
        self.chats.as_ref().ok_or_else(|| Refusal::new(Code::OperationRefused, "there are no chats here"))
    }
}

impl Internal for Operations {
    fn answer(&self, caller: Caller, request: HttpRequest<Bytes>) -> Pending<'_, Response<Bytes>> {
        Box::pin(http::answer(self.clone(), caller, request))
    }
}

/// The refusal for a group that asks too fast.
fn too_fast() -> Refusal {
    let why = format!("this group has asked for {} operations within a minute; go on a little later", pace::AT_MOST);
    Refusal::new(Code::LimitExceeded, why)
}

/// A text that is not Doorward's, in full and in the quotation marks of a question.
fn whole(text: &str) -> String {
    desk::screen::value(text, usize::MAX)
}

/// The store failed: the agent can only try again; the log says more.
fn unavailable(error: &StoreError) -> Refusal {
    tracing::error!(%error, "An operation could not be performed");
    Refusal::new(Code::OperationRefused, "Doorward's store cannot be used now; try again later")
}

/// Passed along as the proof: an effect without it does not compile.
type Proof<'a> = &'a Intent;

#[cfg(test)]
mod tests;
