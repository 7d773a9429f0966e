//! What an agent may ask of the host, at `http://doorward.internal` through its door.
//!
//! What it is: one handler for each operation, one table of who may, and the ways in
//! that speak for them (plain HTTP, MCP). What it is not: it knows who asks from the
//! door alone; nothing that a request says about a group, a chat or a person is read.
//!
//! Claude Code is pointed here by
//! `--mcp-config '{"mcpServers":{"doorward":{"type":"http","url":"http://doorward.internal/mcp"}}}'`;
//! `HTTP_PROXY` in its sandbox leads to the door, and `NO_PROXY` must not name the host.
//!
//! **Invariants**
//! - Nothing is performed without an [`Intent`], the proof that the log knows of it.
//! - What an agent says goes to its own group's chat, or as a quotation to the owner;
//!   either way it is leak-checked first.
//! - An operation changes no policy. Only the owner does.

mod access;
mod http;
mod mcp;
mod message;
mod policy;
mod request;
mod table;

use std::sync::Arc;

use ::http::{Request as HttpRequest, Response};
use bytes::Bytes;
use policies::{Code, Refusal};
use proxy::aside;
use proxy::ports::{Caller, Intent, Internal, Pending, Secrets};

use crate::pipeline::outbox::OutboxHandle;
use crate::store::ledger::AuditLog;
use crate::store::{Say, Store, StoreError};

pub use access::asked_facts;
pub use request::Request;
pub use table::{Asker, Operation};

/// The operations of one installation; the door's port to the host.
pub struct Operations {
    ledger: Arc<AuditLog>,
    say: Say,
    chats: Option<Chats>,
}

/// Where chats are: the store, and the outbox to wake.
#[derive(Clone, Debug)]
pub struct Chats {
    /// Groups, runs, messages.
    pub store: Arc<Store>,
    /// Who sends what is queued.
    pub outbox: OutboxHandle,
}

impl Operations {
    /// Makes them for a gateway that is about to open, which says what its secrets are.
    /// Without chats (a tour, a drill) nobody is a registered group.
    pub fn of(ledger: Arc<AuditLog>, chats: Option<Chats>) -> impl FnOnce(Arc<dyn Secrets>) -> Arc<dyn Internal> {
        move |secrets| Arc::new(Operations { say: Say::new(secrets, ledger.clone()), ledger, chats })
    }

    /// Performs an operation, whichever way it was asked for: may they, then the record,
    /// then the effect. What comes back is for the agent to read.
    pub fn perform(&self, caller: &Caller, request: Request) -> Result<String, Refusal> {
        // The store may have to wait for the disk.
        aside(|| self.performed(caller, request))
    }

    fn performed(&self, caller: &Caller, request: Request) -> Result<String, Refusal> {
        let operation = request.operation();
        if !operation.may(self.asker(caller)?) {
            let why = format!("{} is for the agents of registered groups", operation.name());
            let refusal = Refusal::new(Code::OperationRefused, why);
            caller.refuse(operation.recorded(), &refusal);
            return Err(refusal);
        }
        let mut intent = caller.intend(operation.recorded())?;
        let done = match request {
            Request::Policy => Ok(policy::json(caller.policy())),
            Request::SendMessage(message) => self.send_message(caller, &intent, &message),
            Request::RequestAccess(wanted) => self.request_access(caller, &intent, &wanted),
        };
        done.inspect_err(|refusal| intent.failed(refusal))
    }

    /// An operation whose arguments cannot be read. What they were is not kept: they are
    /// the agent's, and may hold anything.
    pub fn refuse_unread(&self, caller: &Caller, operation: Operation) {
        let refusal = Refusal::new(Code::OperationRefused, "its arguments are not what the operation takes");
        caller.refuse(operation.recorded(), &refusal);
    }

    fn asker(&self, caller: &Caller) -> Result<Asker, Refusal> {
        let Some(chats) = &self.chats else { return Ok(Asker::Unregistered) };
        let group = chats.store.group(&caller.identity().group).map_err(|error| unavailable(&error))?;
        Ok(match group {
            Some(group) if group.is_main => Asker::Main,
            Some(_) => Asker::Other,
            None => Asker::Unregistered,
        })
    }

    /// The chats, for those whom the table lets through.
    fn chats(&self) -> Result<&Chats, Refusal> {
        self.chats.as_ref().ok_or_else(|| Refusal::new(Code::OperationRefused, "there are no chats here"))
    }
}

impl Internal for Operations {
    fn answer(&self, caller: Caller, request: HttpRequest<Bytes>) -> Pending<'_, Response<Bytes>> {
        Box::pin(http::answer(self.clone(), caller, request))
    }
}

impl Clone for Operations {
    fn clone(&self) -> Self {
        Operations { ledger: self.ledger.clone(), say: self.say.clone(), chats: self.chats.clone() }
    }
}

/// The store's own trouble: the agent can only try again, the log says more.
fn unavailable(error: &StoreError) -> Refusal {
    tracing::error!(%error, "An operation could not be performed");
    Refusal::new(Code::OperationRefused, "Doorward's store cannot be used now; try again later")
}

/// Takes the proof along: an effect without it does not compile.
type Proof<'a> = &'a Intent;

#[cfg(test)]
mod tests;
