//! Every operation by every caller. An operation without a row does not compile.

use super::*;
use crate::channels::protocol::Sender;
use crate::store::{Inserted, Means, NewMessage};

/// The result of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comes {
    Done,
    Refused,
    /// The owner is asked; without a yes it is refused.
    Asks,
}

use Comes::{Asks, Done, Refused};

/// One operation: its arguments and its results.
struct Row {
    own: Value,
    /// The same for another group; `None` if it takes no group.
    other: Option<Value>,
    /// For its own group: by the main group, another, an unregistered one, and after the run has ended.
    comes: [Comes; 4],
    effect: bool,
}

fn row(operation: Operation) -> Row {
    let row = |own, other, comes, effect| Row { own, other, comes, effect };
    match operation {
        Operation::Policy => row(json!({}), None, [Done, Done, Done, Done], false),
        Operation::SendMessage => row(
            json!({ "text": "hi" }),
            Some(json!({ "text": "hi", "chat": "club" })),
            [Done, Done, Refused, Refused],
            true,
        ),
        Operation::SendFile => {
            let file = json!({ "name": "a.txt", "content": "aGk=" });
            row(file, None, [Done, Done, Refused, Refused], true)
        }
        Operation::React => row(json!({ "emoji": "\u{1f44d}" }), None, [Done, Done, Refused, Refused], true),
        Operation::RegisterGroup => {
            row(json!({ "name": "new", "chat": "new" }), None, [Asks, Asks, Refused, Asks], true)
        }
        Operation::ListGroups => row(json!({}), None, [Done, Done, Refused, Done], false),
        Operation::ScheduleTask => {
            let task = json!({ "prompt": "water the plants", "schedule_type": "interval", "schedule_value": "2h" });
            row(task, None, [Done, Done, Refused, Refused], true)
        }
        Operation::ListTasks => row(json!({}), None, [Done, Done, Refused, Done], false),
        // For existing tasks of its own, see tests/tasks.rs. Task 1 is club's.
        Operation::UpdateTask => {
            let other = json!({ "task_id": 1, "prompt": "x" });
            row(json!({ "task_id": 7 }), Some(other), [Refused, Refused, Refused, Refused], true)
        }
        Operation::PauseTask | Operation::ResumeTask | Operation::CancelTask => {
            row(json!({ "task_id": 7 }), Some(json!({ "task_id": 1 })), [Refused, Refused, Refused, Refused], true)
        }
        Operation::Usage => row(json!({}), None, [Done, Done, Refused, Done], false),
        // With sandboxes, see tests/delegate.rs.
        Operation::Delegate => {
            row(json!({ "name": "news", "task": "read it" }), None, [Refused, Refused, Refused, Refused], true)
        }
        Operation::Helpers => row(json!({}), None, [Done, Done, Refused, Done], false),
        Operation::StopHelper => row(json!({ "name": "news" }), None, [Refused, Refused, Refused, Refused], true),
        Operation::RequestAccess => {
            row(json!({ "host": "other.test", "why": "because" }), None, [Done, Done, Refused, Done], true)
        }
    }
}

/// A house with a third group, where nobody answers for the owner for more than a moment.
fn house() -> House {
    let house = House::new();
    house.add("club");
    house.owners_task("club");
    house
}

impl House {
    /// A group's run that answers a message.
    pub(super) fn answers(&self, name: &str, door: &OpenDoor) -> RunId {
        let new = NewMessage {
            group: &group(name),
            id: "m1",
            sender: &Sender { id: "anna".into(), name: "Anna".into() },
            text: "hi",
            at: 1,
            means: Means::Call,
            quote: None,
        };
        let Inserted::Row(row) = self.store.insert_message(&new).unwrap() else { panic!("it is new") };
        let run = self.store.begin_run(&group(name), row, row, door.sandbox_id()).unwrap().id;
        door.set_run(Some(run.0));
        run
    }
}

async fn comes(house: &House, name: &str, operation: Operation, arguments: &Value) -> Comes {
    let asks = house.owner.open_asks().unwrap().len();
    let call = house.call(name, operation.name(), arguments.clone());
    tokio::select! {
        called = call => if called.is_ok() { Done } else { Refused },
        () = house.until_asked(asks + 1) => Asks,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_operation_by_each_asker() {
    for operation in Operation::ALL.iter().copied() {
        let Row { own, other, comes: wanted, effect } = row(operation);
        assert_eq!(operation.has_effect(), effect, "{}", operation.name());
        assert_eq!(Operation::named(operation.name()), Some(operation));
        for (name, wanted) in [("main", wanted[0]), ("family", wanted[1]), ("nobody", wanted[2])] {
            let house = house();
            let door = house.door(name);
            if name != "nobody" {
                house.answers(name, &door);
            }
            assert_eq!(comes(&house, name, operation, &own).await, wanted, "{} by {name}", operation.name());
            for claim in ["group_name", "main", "isMain"] {
                let mut claims = own.clone();
                claims[claim] = json!("main");
                assert_eq!(comes(&house, name, operation, &claims).await, Refused, "{} with {claim}", operation.name());
            }
            let Some(other) = &other else { continue };
            let wanted = if name == "nobody" { Refused } else { Asks };
            assert_eq!(comes(&house, name, operation, other).await, wanted, "{} for club by {name}", operation.name());
        }
        let house = house();
        let door = house.door("family");
        let run = house.answers("family", &door);
        house.store.fail_run(run, "over", None, &[]).unwrap();
        let after = comes(&house, "family", operation, &own).await;
        assert_eq!(after, wanted[3], "{} after its run", operation.name());
    }
}

/// A helper answers the agent that asked, and may ask the host for nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_helper_has_no_operations() {
    let house = house();
    let identity = crate::gateway::new_identity(&group("family"));
    let policy = house.gateway.narrowed_policy(&group("family"), &policies::Narrow::default());
    let door = house.gateway.open_door_as(identity, &house.socket("family"), policy).unwrap();
    house.answers("family", &door);
    for operation in Operation::ALL.iter().copied() {
        assert!(!operation.may(Asker::Helper), "{}", operation.name());
        let Row { own, .. } = row(operation);
        assert_eq!(comes(&house, "family", operation, &own).await, Refused, "{}", operation.name());
    }
}

#[tokio::test]
async fn a_group_in_a_hurry_is_slowed_down() {
    let house = House::new();
    let _door = house.door("family");
    let mut refused = None;
    for _ in 0..=pace::AT_MOST + 10 {
        let called = house.call("family", "request_access", json!({ "host": "a.test", "why": "x" })).await;
        refused = called.err().filter(|why| why.contains("limit_exceeded")).or(refused);
    }
    assert!(refused.unwrap().contains("60 operations within a minute"));
    assert!(house.call("family", "policy", json!({})).await.is_ok(), "what only reads goes on");
    let _other = house.door("main");
    house.call("main", "request_access", json!({ "host": "a.test", "why": "x" })).await.unwrap();
}
