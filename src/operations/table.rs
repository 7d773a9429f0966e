//! Who may ask for what: the one table, for every way in.

use proxy::audit;

/// Everything that an agent may ask of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Read its own policy.
    Policy,
    /// Say something in its own group's chat before its answer is complete.
    SendMessage,
    /// Ask the owner to be allowed a request.
    RequestAccess,
    /// Have something done later, or again and again.
    ScheduleTask,
    /// Read which tasks its own group has.
    ListTasks,
    /// Change a task.
    UpdateTask,
    /// Have a task rest.
    PauseTask,
    /// Have it go on.
    ResumeTask,
    /// End a task.
    CancelTask,
}

/// Who asks, as far as it matters for what they may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker {
    /// The agent of the main group.
    Main,
    /// The agent of any other group.
    Other,
    /// Somebody behind a door of a group that has no chat: a program on the host, a drill.
    Unregistered,
}

impl Operation {
    /// All of them.
    pub const ALL: [Operation; 9] = [
        Operation::Policy,
        Operation::SendMessage,
        Operation::RequestAccess,
        Operation::ScheduleTask,
        Operation::ListTasks,
        Operation::UpdateTask,
        Operation::PauseTask,
        Operation::ResumeTask,
        Operation::CancelTask,
    ];

    /// Its name, as agents and the log know it.
    pub fn name(self) -> &'static str {
        match self {
            Operation::Policy => "policy",
            Operation::SendMessage => "send_message",
            Operation::RequestAccess => "request_access",
            Operation::ScheduleTask => "schedule_task",
            Operation::ListTasks => "list_tasks",
            Operation::UpdateTask => "update_task",
            Operation::PauseTask => "pause_task",
            Operation::ResumeTask => "resume_task",
            Operation::CancelTask => "cancel_task",
        }
    }

    /// The operation of that name.
    pub fn named(name: &str) -> Option<Operation> {
        Operation::ALL.into_iter().find(|operation| operation.name() == name)
    }

    /// The table. Whoever may do something may do it for their own group and no other.
    pub fn may(self, asker: Asker) -> bool {
        match (self, asker) {
            (Operation::Policy, Asker::Main | Asker::Other | Asker::Unregistered) => true,
            (_, Asker::Main | Asker::Other) => true,
            (_, Asker::Unregistered) => false,
        }
    }

    /// Whether it changes anything: a run that performed such a one is not run again.
    pub fn has_effect(self) -> bool {
        match self {
            Operation::Policy | Operation::ListTasks => false,
            Operation::SendMessage
            | Operation::RequestAccess
            | Operation::ScheduleTask
            | Operation::UpdateTask
            | Operation::PauseTask
            | Operation::ResumeTask
            | Operation::CancelTask => true,
        }
    }

    pub(super) fn recorded(self) -> audit::Operation {
        audit::Operation { name: self.name(), effect: self.has_effect() }
    }
}
