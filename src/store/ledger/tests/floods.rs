//! Floods of denials.

use super::*;

/// Attack L06: the count is complete, and little is written.
#[test]
fn a_flood_of_one_denial_is_counted_and_the_chain_holds() {
    let scene = Scene::new();
    let mut alarms = scene.log.subscribe_to_alarms();
    let write = |times: u32, decision: Decision| {
        for _ in 0..times {
            scene.log.decided(&decision).unwrap();
        }
    };
    write(5_000, denied());
    let alarm = Decision { alarm: true, code: Some(Code::SecretInRequest), ..denied() };
    write(30, alarm);
    write(30, allowed("GET"));
    let (path, dir) = (scene.path(), scene.dir);
    assert_eq!(std::iter::from_fn(|| alarms.try_recv().ok()).count(), 30, "every alarm is told");
    drop(scene.log);
    let reader = AuditReader::open(&path).unwrap();
    let entries = reader.entries(&Filter::default()).unwrap();
    assert_eq!(entries.iter().filter(|entry| entry.ending == Ending::Interrupted).count(), 30, "no allow is folded");
    assert_eq!(entries.len(), 30 + 2 * (20 + 1));
    let mut repeated: Vec<_> = entries.iter().filter_map(|entry| entry.decision.repeated).collect();
    repeated.sort_unstable();
    assert_eq!(repeated, [10, 4_980]);
    assert!(verify(&path, None).is_ok());
    let digest = reader.digest(None, None).unwrap();
    assert_eq!((digest.ways[0].requests, digest.ways[0].refused, digest.ways[0].alarms), (5_060, 5_030, 30));
    drop(dir);
}

#[test]
fn what_differs_is_no_flood_and_a_minute_ends_one() {
    let (mut floods, now) = (Floods::default(), Instant::now());
    let path = |number: u64| decision(Allowed::Deny, "GET", &format!("/{number}"));
    assert!((0..100).all(|number| !floods.counts(&path(number), false, now)));
    assert!((0..20).all(|_| !floods.counts(&denied(), false, now)));
    assert!(floods.counts(&denied(), false, now) && floods.counts(&denied(), false, now));
    let other = Decision { run: Some(8), ..denied() };
    assert!(!floods.counts(&other, false, now), "another run");
    assert!(floods.due(Some(now + flood::EVERY / 2)).is_empty());
    let due = floods.due(Some(now + flood::EVERY));
    assert_eq!(due.iter().map(|record| record["repeated"].as_u64()).collect::<Vec<_>>(), [Some(2)]);
    assert!(!floods.counts(&denied(), false, now + flood::EVERY), "the next minute begins with records again");
}

/// New paths are no way around it: a limited number are recorded, then only reasons are. The first of each reason is
/// still written, and reported as an alarm if it is one.
#[test]
fn a_flood_of_different_denials_is_counted_by_reason() {
    let (mut floods, now) = (Floods::default(), Instant::now());
    let path = |number: u64| decision(Allowed::Deny, "GET", &format!("/{number}"));
    let written = (0..100_000).filter(|number| !floods.counts(&path(*number), false, now)).count() as u64;
    assert_eq!(written, flood::OF_ONE_SANDBOX + flood::WRITTEN);
    assert!(!floods.counts(&path(0), false, now), "what is told apart still is");
    let alarm = Decision { alarm: true, code: Some(Code::SecretInRequest), ..path(1) };
    assert!(!floods.counts(&alarm, false, now), "another reason");
    let mut other = path(2);
    other.identity.sandbox = SandboxId::new("def2").unwrap();
    assert!(!floods.counts(&other, false, now), "another sandbox");
    assert!(!floods.counts(&path(200_000), false, now + flood::EVERY), "another minute");
    let due = floods.due(Some(now + flood::EVERY));
    let [counted] = &due[..] else { panic!("{due:?}") };
    assert_eq!(counted["repeated"].as_u64(), Some(100_000 - written));
    assert_eq!((&counted["code"], &counted["path"], &counted["host"]), (&"not_allowed".into(), &().into(), &().into()));
}
