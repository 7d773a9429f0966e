//! Chats that write as fast as they can, in the door's process: each message is stored and
//! on the disk before the next, as the daemon promises a channel.

use std::sync::Arc;

use doorward::channels::protocol::Sender;
use doorward::home::Home;
use doorward::store::{Means, NewGroup, NewMessage, Store};
use policies::GroupName;
use tokio::io::AsyncReadExt;
use tokio::task::JoinSet;

/// What the door's process is told on stdin.
pub(crate) const WRITE: u8 = b'1';
pub(crate) const REST: u8 = b'0';

const CHATS: [&str; 3] = ["one", "two", "three"];

/// Starts and ends them as stdin says, until it ends.
pub(crate) async fn on_command(home: &Home) {
    let store = Arc::new(Store::serve(&home.main_db()).unwrap());
    for chat in CHATS {
        let name = GroupName::parse(chat).unwrap();
        store.add_group(&NewGroup { name: &name, channel: "terminal", chat, is_main: false }).unwrap();
    }
    let (mut stdin, mut said, mut writing) = (tokio::io::stdin(), [0], JoinSet::new());
    while stdin.read(&mut said).await.unwrap_or(0) > 0 {
        match said[0] {
            WRITE => CHATS.iter().for_each(|chat| drop(writing.spawn(write(Arc::clone(&store), chat)))),
            _ => writing.shutdown().await,
        }
    }
}

async fn write(store: Arc<Store>, chat: &'static str) {
    let (group, sender) = (GroupName::parse(chat).unwrap(), Sender { id: "anna".into(), name: "Anna".into() });
    let (text, means) = ("a message of some length, as people write them ".repeat(3), Means::Talk);
    loop {
        let id = format!("{:032x}", rand::random::<u128>());
        let new = NewMessage { group: &group, id: &id, sender: &sender, text: &text, at: 1, means, quote: None };
        store.insert_message(&new).unwrap();
        store.durable().await.unwrap();
    }
}
