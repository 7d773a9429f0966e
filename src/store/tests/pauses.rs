//! Pauses end by themselves, and with their group.

use policies::GroupName;

use super::super::{NewGroup, Pause, Store};

#[test]
fn a_pause_is_of_a_group_or_of_all_and_ends() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("doorward.db")).unwrap();
    let [family, work] = ["family", "work"].map(|name| GroupName::parse(name).unwrap());
    for name in [&family, &work] {
        store.add_group(&NewGroup { name, channel: "terminal", chat: name.as_str(), is_main: false }).unwrap();
    }
    store.pause(Some(&family), 100).unwrap();
    store.pause(Some(&family), 200).unwrap();
    store.pause(None, 150).unwrap();
    let until = |group, now| store.paused_until(group, now).unwrap();
    assert_eq!((until(&family, 99), until(&work, 99)), (Some(200), Some(150)));
    assert_eq!((until(&family, 150), until(&work, 150)), (Some(200), None));
    assert_eq!(until(&family, 200), None);
    let pause = |group: Option<&GroupName>, until| Pause { group: group.cloned(), until };
    assert_eq!(store.pauses(0).unwrap(), [pause(None, 150), pause(Some(&family), 200)]);
    assert!(!store.resume(Some(&work), 0).unwrap());
    assert!(store.resume(Some(&family), 0).unwrap());
    assert_eq!(until(&family, 0), Some(150), "all are");
    assert!(!store.resume(None, 150).unwrap(), "it was over");
    store.pause(Some(&family), 100).unwrap();
    store.remove_group(&family).unwrap();
    assert_eq!(store.pauses(0).unwrap(), []);
}
