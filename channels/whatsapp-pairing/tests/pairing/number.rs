//! `link` with a code that is typed on the phone.

use super::phone::{Phone, given_up};
use super::program::{House, Terminal};

#[tokio::test]
async fn a_code_typed_on_the_phone_links_the_program() {
    let mut house = House::new(&["first", "second"]).await;
    let phone = Phone::new();
    let mut terminal = house.start(&["link", "--phone", "+49 151 00000"]);
    let shown = shown(&mut terminal).await;
    let hello = house.step_with("link_code_companion_reg").await;
    house.server.send(phone.typed(&shown)).await;
    let finish = house.step_with("link_code_companion_reg").await;
    let device = phone.open(&shown, &hello, &finish);
    house.server.send(phone.sign(&device)).await;
    assert!(phone.is_signed(&device, &house.step_with("pair-device-sign").await));
    house.welcome().await;
    let (code, text) = terminal.end().await;
    assert_eq!((code, text.contains("\nLinked.\n")), (0, true), "{text}");
    let (code, text) = house.command(&["status"]).await;
    assert_eq!((code, text.contains("WhatsApp is linked")), (0, true), "{text}");
}

#[tokio::test]
async fn a_code_that_whatsapp_gives_up_ends_it_in_plain_words() {
    let house = House::new(&["first"]).await;
    let mut terminal = house.start(&["link", "--phone", "4915100000"]);
    shown(&mut terminal).await;
    house.server.send(given_up()).await;
    let (code, text) = terminal.end().await;
    assert_eq!((code, text.contains("the phone did not accept the code; try again")), (1, true), "{text}");
    let (code, text) = house.command(&["status"]).await;
    assert_eq!((code, text.contains("not linked")), (3, true), "{text}");
}

/// The code shown by the program.
async fn shown(terminal: &mut Terminal) -> String {
    loop {
        let line = terminal.line().await;
        assert!(!line.contains('█'), "a QR code that nobody asked for");
        if let Some(code) = line.strip_prefix("Type this code on the phone: ") {
            return code.to_owned();
        }
    }
}
