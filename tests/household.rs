//! Evenings of a household: what people write, and what befalls them meanwhile. The daemon
//! is killed and ended at any moment, a policy is saved broken, the disk is full, the clock
//! is wrong, an agent hangs, the engine stops or hangs, the line breaks, a secret is pasted.
//! Whatever comes: each message has exactly one answer or one sentence why not, in order,
//! nothing is written twice, and all that was is in the log.
//!
//! An evening is drawn from a seed, which is printed. `DOORWARD_EVENING=SEED` plays that one
//! again; `DOORWARD_EVENINGS=10` plays so many (`make test-long`).

mod cast;
pub mod clock;
pub mod disk;
mod engine;
mod evening;
mod oracle;
mod plan;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use evening::Evening;

/// So many at a time: most of an evening is waiting.
const AT_ONCE: usize = 3;

#[test]
fn evenings_of_a_household_lose_double_and_silence_nothing() {
    let given = |name: &str| std::env::var(name).ok().map(|number| number.parse().expect("a number"));
    let seeds: Vec<u64> = match given("DOORWARD_EVENING") {
        Some(seed) => vec![seed],
        None => (0..given("DOORWARD_EVENINGS").unwrap_or(1)).map(|_| rand::random_range(0..1 << 32)).collect(),
    };
    let (waiting, failed) = (Mutex::new(seeds), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(seed) = next(&waiting) {
                    if catch_unwind(AssertUnwindSafe(|| play(seed))).is_err() {
                        failed.lock().unwrap().push(seed);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "these evenings went wrong; DOORWARD_EVENING=SEED plays one again: {failed:?}");
}

fn next(waiting: &Mutex<Vec<u64>>) -> Option<u64> {
    waiting.lock().unwrap().pop()
}

fn play(seed: u64) {
    eprintln!("evening {seed}");
    let mut evening = Evening::begin();
    let ended = catch_unwind(AssertUnwindSafe(|| {
        plan::drawn(seed).into_iter().for_each(|scene| evening.play(scene));
        evening.end();
    }));
    let wrong = match ended {
        Ok(()) => oracle::wrong(&evening),
        Err(_) => vec!["it did not come to its end".to_owned()],
    };
    let (messages, lasted) = (evening.written.len(), evening.lasted().as_secs());
    if !wrong.is_empty() {
        let shown = evening.phone.shown();
        eprintln!("evening {seed}, all that was shown:\n{shown:#?}\nand said:\n{}", evening.told());
        panic!("evening {seed}: {} of {messages} messages or more went wrong:\n{}", wrong.len(), wrong.join("\n"));
    }
    eprintln!("evening {seed}: {messages} messages in {lasted} s");
}
