//! Revoked certificates, where the owner gives their issuer's list.

use std::time::{Duration, SystemTime};

use policies::Code;

use crate::support::{Setup, World, certificates};

const DAY: Duration = Duration::from_secs(24 * 3600);

fn rules() -> String {
    let rule = |host| format!("[[allow]]\nhost = \"{host}\"\naccess = \"read\"\nprivate = [\"127.0.0.16/32\"]\n");
    ["revoked.bad.test", "sound.bad.test"].map(rule).concat()
}

/// Lists of these certificates' authority, or of another one, that expire in this many days.
async fn world(lists: &[(bool, i32)]) -> World {
    let until = |days: i32| match u32::try_from(days) {
        Ok(days) => SystemTime::now() + days * DAY,
        Err(_) => SystemTime::now() - days.unsigned_abs() * DAY,
    };
    let lists = lists.iter().map(|(own, days)| certificates::revocations(*own, until(*days))).collect();
    World::with(Setup { family: rules(), lists, ..Setup::default() }).await
}

/// The results for a revoked certificate and for a valid one.
async fn outcomes(world: &World) -> [u16; 2] {
    let mut statuses = [0; 2];
    for (status, host) in statuses.iter_mut().zip(["revoked.bad.test", "sound.bad.test"]) {
        *status = world.family.get(host, "/").await.status;
    }
    statuses
}

#[tokio::test]
async fn a_certificate_that_was_taken_back_is_refused() {
    let world = world(&[(true, 30)]).await;
    assert_eq!(outcomes(&world).await, [502, 200]);
    world.settled().await;
    let refused = &world.log.rows()[0];
    assert_eq!((refused.code(), refused.outcome().bytes_up), (Some(Code::TlsVerify), 0));
    assert!(refused.outcome().why.as_deref().unwrap().contains("Revoked"), "{:?}", refused.outcome());
}

/// Most of the web has no list here; a list applies only to its own issuer.
#[tokio::test]
async fn without_a_list_of_its_issuer_a_certificate_is_believed() {
    assert_eq!(outcomes(&world(&[]).await).await, [200, 200]);
    assert_eq!(outcomes(&world(&[(false, 30)]).await).await, [200, 200]);
}

/// It says nothing about today, so its issuer is not trusted.
#[tokio::test]
async fn a_list_that_has_ended_refuses_what_it_is_about() {
    let world = world(&[(true, -1)]).await;
    assert_eq!(outcomes(&world).await, [502, 502]);
    world.settled().await;
    let why = world.log.rows()[1].outcome().why.clone().unwrap();
    assert!(why.contains("ExpiredRevocationList"), "{why}");
    world.revocations.replace(&[certificates::revocations(true, SystemTime::now() + DAY)]).unwrap();
    assert_eq!(outcomes(&world).await, [502, 200], "a new list is in force at once");
}

#[tokio::test]
async fn what_is_no_list_changes_nothing() {
    let world = world(&[(true, 30)]).await;
    assert!(world.revocations.replace(&[vec![0x30, 0].into()]).is_err());
    assert_eq!(outcomes(&world).await, [502, 200]);
}
