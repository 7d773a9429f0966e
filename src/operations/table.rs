//! Who may ask for what: the one table, for every way in.

use policies::Refusal;
use proxy::audit;
use proxy::ports::Caller;
use serde_json::Value;

use super::asked::{Asked, Beyond, Described};
use super::{Operations, Proof, access, delegate, file, groups, message, policy, react, register, tasks, usage};

/// Who asks, as far as it matters for what they may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker {
    /// The agent of the main group.
    Main,
    /// The agent of any other group.
    Other,
    /// Somebody behind a door of a group that has no chat: a program on the host, a drill.
    Unregistered,
    /// A helper of an agent of any group.
    Helper,
}

const EVERYBODY: &[Asker] = &[Asker::Main, Asker::Other, Asker::Unregistered];
const REGISTERED: &[Asker] = &[Asker::Main, Asker::Other];

/// Whether an operation changes anything: a run that performed one which does is not run again.
const READS: bool = false;
const ACTS: bool = true;

macro_rules! table {
    ($($(#[$doc:meta])* $operation:ident = $name:literal, $asked:ty, $who:expr, $effect:expr;)+) => {
        /// Everything that an agent may ask of the host.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Operation {
            $($(#[$doc])* $operation,)+
        }

        /// One operation with its arguments.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub(super) enum Request {
            $($operation($asked),)+
        }

        impl Operation {
            /// All of them.
            pub const ALL: &[Operation] = &[$(Operation::$operation,)+];

            /// Its name, as agents and the log know it.
            pub fn name(self) -> &'static str {
                match self {
                    $(Operation::$operation => $name,)+
                }
            }

            /// Who may. Whoever may do something may do it for their own group; beyond it the
            /// owner is asked.
            pub fn may(self, asker: Asker) -> bool {
                let who: &[Asker] = match self {
                    $(Operation::$operation => $who,)+
                };
                who.contains(&asker)
            }

            /// Whether it changes anything.
            pub fn has_effect(self) -> bool {
                match self {
                    $(Operation::$operation => $effect,)+
                }
            }

            /// How it presents itself to a model.
            pub(super) fn described(self) -> Described {
                match self {
                    $(Operation::$operation => <$asked>::described(),)+
                }
            }
        }

        impl Request {
            /// Reads the arguments of an operation. The error is in the agent's own words and
            /// for nobody else.
            pub(super) fn read(operation: Operation, arguments: Value) -> Result<Request, String> {
                let read = match operation {
                    $(Operation::$operation => serde_json::from_value(arguments).map(Request::$operation),)+
                };
                read.map_err(|error| error.to_string())
            }

            /// Which one it is.
            pub(super) fn operation(&self) -> Operation {
                match self {
                    $(Request::$operation(_) => Operation::$operation,)+
                }
            }

            /// What its owner is asked first.
            pub(super) fn beyond(&self, operations: &Operations, caller: &Caller) -> Result<Option<Beyond>, Refusal> {
                match self {
                    $(Request::$operation(asked) => asked.beyond(operations, caller),)+
                }
            }

            /// Does it.
            pub(super) fn perform(
                &self,
                operations: &Operations,
                caller: &Caller,
                proof: Proof<'_>,
            ) -> Result<String, Refusal> {
                match self {
                    $(Request::$operation(asked) => asked.perform(operations, caller, proof),)+
                }
            }
        }
    };
}

// One line an operation, one file a handler.
table! {
    /// Read its own policy.
    Policy = "policy", policy::ReadPolicy, EVERYBODY, READS;
    /// Say something in a chat before its answer is complete.
    SendMessage = "send_message", message::SendMessage, REGISTERED, ACTS;
    /// Send a file to its own group's chat.
    SendFile = "send_file", file::SendFile, REGISTERED, ACTS;
    /// Put a sign on a message of its own group's chat.
    React = "react", react::React, REGISTERED, ACTS;
    /// Have a chat registered as a group.
    RegisterGroup = "register_group", register::RegisterGroup, REGISTERED, ACTS;
    /// Learn which groups there are.
    ListGroups = "list_groups", groups::ListGroups, REGISTERED, READS;
    /// Have something done later, or again and again.
    ScheduleTask = "schedule_task", tasks::ScheduleTask, REGISTERED, ACTS;
    /// Read which tasks its own group has.
    ListTasks = "list_tasks", tasks::ListTasks, REGISTERED, READS;
    /// Change a task.
    UpdateTask = "update_task", tasks::UpdateTask, REGISTERED, ACTS;
    /// Have a task rest.
    PauseTask = "pause_task", tasks::PauseTask, REGISTERED, ACTS;
    /// Have it go on.
    ResumeTask = "resume_task", tasks::ResumeTask, REGISTERED, ACTS;
    /// End a task.
    CancelTask = "cancel_task", tasks::CancelTask, REGISTERED, ACTS;
    /// Read what its own models have used up.
    Usage = "usage", usage::ReadUsage, REGISTERED, READS;
    /// Have a part of its work done by a helper.
    Delegate = "delegate", delegate::Delegate, REGISTERED, ACTS;
    /// Learn what its helpers are at, and what they have found.
    Helpers = "helpers", delegate::ListHelpers, REGISTERED, READS;
    /// End one of its helpers.
    StopHelper = "stop_helper", delegate::StopHelper, REGISTERED, ACTS;
    /// Ask the owner to be allowed a request.
    RequestAccess = "request_access", access::RequestAccess, REGISTERED, ACTS;
}

impl Operation {
    /// The operation of that name.
    pub fn named(name: &str) -> Option<Operation> {
        Operation::ALL.iter().copied().find(|operation| operation.name() == name)
    }

    pub(super) fn recorded(self) -> audit::Operation {
        audit::Operation { name: self.name(), effect: self.has_effect() }
    }
}
