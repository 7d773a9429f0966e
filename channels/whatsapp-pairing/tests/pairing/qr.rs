//! `link` with the QR code.

use super::phone::{Candidate, Phone};
use super::program::House;

#[tokio::test]
async fn a_phone_that_scans_the_code_links_the_program() {
    let mut house = House::new(&["first", "second"]).await;
    house.server.group("120363000000000001@g.us", &["4915100000@s.whatsapp.net"]).await;
    let phone = Phone::new();
    let mut terminal = house.start(&["link"]);
    let device = Candidate::scanned(&terminal.scan().await);
    assert_eq!(device.code, "first");
    house.server.send(phone.sign(&device)).await;
    assert!(phone.is_signed(&device, &house.step_with("pair-device-sign").await));
    house.welcome().await;
    let (code, text) = terminal.end().await;
    assert_eq!(code, 0, "{text}");
    assert!(text.starts_with("Linked.\n"), "{text}");
    assert!(text.contains("120363000000000001@g.us  Family\n"), "{text}");

    let (code, text) = house.command(&["status"]).await;
    assert_eq!((code, text.contains("WhatsApp is linked; its channel is not running")), (0, true), "{text}");
    let (code, text) = house.command(&["link"]).await;
    assert_eq!((code, text.contains("linked to WhatsApp already")), (0, true), "{text}");

    let unlinking = house.start(&["unlink"]);
    let removed = house.step_with("remove-companion-device").await;
    assert_eq!(removed.attrs.get("jid").unwrap().as_str(), "4915100000:7@s.whatsapp.net");
    let (code, text) = unlinking.end().await;
    assert_eq!((code, text.as_str()), (0, "The keys are deleted.\n"));
    let (code, text) = house.command(&["status"]).await;
    assert_eq!((code, text.contains("not linked")), (3, true), "{text}");
}

/// A phone that has not seen the code cannot take the program over.
#[tokio::test]
async fn a_signature_of_somebody_else_links_nothing() {
    let house = House::new(&["first"]).await;
    let mut terminal = house.start(&["link"]);
    let mut device = Candidate::scanned(&terminal.scan().await);
    device.secret = vec![7; 32];
    house.server.send(Phone::new().sign(&device)).await;
    let (code, text) = terminal.end().await;
    assert_eq!((code, text.contains("doorward-whatsapp: linking failed: ")), (1, true), "{text}");
    let (code, text) = house.command(&["status"]).await;
    assert_eq!((code, text.contains("not linked")), (3, true), "{text}");
}

/// A code lasts for a minute or a third of one: here the server has none left.
#[tokio::test]
async fn codes_that_run_out_end_it_in_plain_words() {
    let house = House::new(&[]).await;
    let (code, text) = house.command(&["link"]).await;
    assert_eq!(code, 1, "{text}");
    assert!(text.ends_with("doorward-whatsapp: nobody scanned the code within three minutes; try again\n"), "{text}");
    let (code, text) = house.command(&["status"]).await;
    assert_eq!((code, text.contains("not linked")), (3, true), "{text}");
}
