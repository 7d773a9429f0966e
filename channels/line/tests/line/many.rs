//! A thousand messages in five groups, while the connection between the program and WhatsApp breaks
//! again and again.

use std::collections::{BTreeMap, HashSet};

use rand::{RngExt as _, SeedableRng as _};

use crate::server::Seen;
use crate::support::Home;
use crate::whatsapp::nothing_of_strangers;
use crate::{ANNA, FAMILY};

const MESSAGES: usize = 1000;

/// The most messages in transit: a phone with more to say waits.
const AHEAD: usize = 50;

/// How often the connection breaks. The pauses before reconnecting grow.
const CUTS: usize = 6;

#[test]
fn a_thousand_messages_are_answered_once_over_a_line_that_breaks() {
    let (mut home, mut whatsapp) = Home::new().config("[queue]\nsandboxes = 5").linked("own-number");
    let groups: Vec<String> = (1..=5).map(|number| FAMILY.replace("01@", &format!("0{number}@"))).collect();
    whatsapp.phones(&[ANNA]);
    whatsapp.strangers();
    for (number, group) in groups.iter().enumerate() {
        home = home.whatsapp_group(&format!("family{number}"), group);
        whatsapp.group(group, &[ANNA]);
    }
    let daemon = home.up();
    whatsapp.until("the program to be connected", |seen| seen.contains(&Seen::Active).then_some(()));
    let seed = rand::random::<u64>();
    let mut random = rand::rngs::StdRng::seed_from_u64(seed);
    let cuts: HashSet<usize> = (0..CUTS).map(|_| random.random_range(0..MESSAGES)).collect();
    // A resend has the same id as before.
    let mut ids = HashSet::new();
    for number in 0..MESSAGES {
        if cuts.contains(&number) {
            whatsapp.strangers_write(number);
            whatsapp.cut();
        }
        whatsapp.write_group(&groups[number % 5], ANNA, &format!("M{number}"), &format!("@Doorward echo {number}"));
        let allowed = if number + 1 == MESSAGES { 0 } else { AHEAD };
        while number + 1 - ids.len() > allowed {
            ids.insert(whatsapp.answer().id);
        }
    }

    // Each number has one answer, under one id.
    let mut answers: BTreeMap<usize, HashSet<String>> = BTreeMap::new();
    let mut last = BTreeMap::new();
    let (again, mut known) = (whatsapp.sent_again(), HashSet::new());
    for answer in whatsapp.shown() {
        let number: usize = answer.text.parse().unwrap_or_else(|_| panic!("{answer:?}, seed {seed}"));
        answers.entry(number).or_default().insert(answer.id.clone());
        // A resend by its phone arrived later than it was written.
        if known.insert(answer.id) && !again.contains(&format!("M{number}")) {
            let before = last.insert(number % 5, number);
            assert!(before.is_none_or(|before| before < number), "{number} after {before:?}, seed {seed}");
        }
    }
    assert!(answers.keys().copied().eq(0..MESSAGES), "seed {seed}: {answers:?}");
    assert!(answers.values().all(|ids| ids.len() == 1), "seed {seed}: {answers:?}");
    let log = daemon.stop().ok().err;
    nothing_of_strangers(&home, &log);
}
