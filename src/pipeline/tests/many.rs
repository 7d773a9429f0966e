//! A long queue: many messages wait for many groups, and are answered in order.

use std::collections::{BTreeMap, BTreeSet};

use super::house::House;
use crate::channels::protocol::{OutgoingKind, Sender, ToChannel};
use crate::store::{Means, NewMessage};

/// The messages for each group.
const EACH: usize = 50;

/// How far memory may grow after the first quarter was answered.
const GROWTH: u64 = 32 << 20;

/// 10,000 in the long test, which runs alone and checks its memory.
#[expect(clippy::disallowed_methods, reason = "the long test asks for more by a variable")]
fn wanted() -> Option<usize> {
    std::env::var("DOORWARD_QUEUE").ok().map(|count| count.parse().unwrap())
}

fn memory() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

#[expect(clippy::print_stderr, reason = "whoever runs it wants to know what was measured")]
#[tokio::test(flavor = "multi_thread")]
async fn a_long_queue_of_many_groups_drains_in_order_and_takes_no_memory() {
    let all = wanted().unwrap_or(500);
    let house = House::new();
    let groups: Vec<_> = (0..all / EACH).map(|n| house.group(&format!("group-{n}"))).collect();
    let sender = Sender { id: "owner".into(), name: "Owner".into() };
    for n in 0..EACH {
        for group in &groups {
            let (id, text) = (format!("m{n}"), format!("echo {n}"));
            let (group, means, quote) = (&group.name, Means::Call, None);
            let new = NewMessage { group, id: &id, sender: &sender, text: &text, at: 1, means, quote };
            house.store.insert_message(&new).unwrap();
        }
    }
    let running = house.start();
    let mut terminal = running.terminal(None).await;
    let mut answered: BTreeMap<String, usize> = BTreeMap::new();
    let (mut done, mut early, mut shown) = (0, None, BTreeSet::new());
    while done < all {
        let ToChannel::Send(out) = terminal.next().await else { continue };
        terminal.confirm(out.id).await;
        // An unconfirmed message comes again with its id.
        if !shown.insert(out.id) {
            continue;
        }
        match out.kind {
            OutgoingKind::Reply => {
                let next = answered.entry(out.chat.clone()).or_default();
                assert_eq!(out.text, next.to_string(), "the next one of {}", out.chat);
                *next += 1;
            }
            OutgoingKind::Done => done += 1,
            // Waiting messages get a notice.
            OutgoingKind::Notice => {}
            other => panic!("{other:?}: {}", out.text),
        }
        if done >= all / 4 {
            early.get_or_insert_with(memory);
        }
    }
    assert!(answered.len() == groups.len() && answered.values().all(|count| *count == EACH), "{answered:?}");
    assert_eq!(house.store.groups_waiting().unwrap(), []);
    running.pipeline.shutdown().await;
    let (early, late) = (early.unwrap(), memory());
    eprintln!("measured: {} MiB at a quarter, {} MiB at the end", early >> 20, late >> 20);
    let grown = late.saturating_sub(early);
    assert!(wanted().is_none() || grown < GROWTH, "{} MiB more than at a quarter of the way", grown >> 20);
}
