#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

fn roster(people: &[(u32, &str, &str)]) -> Roster {
    let person = |(number, id, name): &(u32, &str, &str)| Member {
        number: *number,
        id: (*id).to_owned(),
        name: (*name).to_owned(),
    };
    Roster::new(people.iter().map(person).collect())
}

fn family() -> Roster {
    roster(&[
        (1, "4915112345678@s.whatsapp.net", "Anna Müller 🌸"),
        (2, "4917699999999@s.whatsapp.net", "Ben"),
        (3, "447700900123@s.whatsapp.net", "José García"),
        (4, "12025550143@s.whatsapp.net", "Ben"),
        (5, "lid-5@lid", "Mark"),
        (6, "lid-6@lid", "أحمد"),
        (7, "lid-7@lid", "🌸"),
    ])
}

#[test]
fn names_become_stand_ins_and_come_back() {
    for (text, hidden, back) in [
        ("Anna is late", "Person 1 is late", "Anna Müller 🌸 is late"),
        ("ask ANNA MÜLLER, or anna muller", "ask Person 1, or Person 1", "ask Anna Müller 🌸, or Anna Müller 🌸"),
        ("Anna's bike, Müller’s car", "Person 1's bike, Person 1’s car", "Anna Müller 🌸's bike, Anna Müller 🌸’s car"),
        (
            "jose and Jose\u{301} and JOSÉ GARCÍA",
            "Person 3 and Person 3 and Person 3",
            "José García and José García and José García",
        ),
        ("(Ben)", "(Person 2)", "(Ben)"),
        ("Ben, Anna", "Person 2, Person 1", "Ben, Anna Müller 🌸"),
        ("قال أحمد نعم", "قال Person 6 نعم", "قال أحمد نعم"),
        ("Anna🌸Ben", "Person 1🌸Person 2", "Anna Müller 🌸🌸Ben"),
    ] {
        assert_eq!(family().hide(text), hidden);
        assert_eq!(family().reveal(hidden), back);
    }
}

#[test]
fn names_inside_of_words_are_none() {
    for text in ["Market", "Annabel", "Savannah", "Benefit", "remark", "Reuben", "Bens", "mark1", "Günter", "🌸", ""]
    {
        assert_eq!(family().hide(text), text);
    }
}

#[test]
fn numbers_are_found_as_people_write_them() {
    for text in ["+49 151 12345678", "0151/12345678", "0049 151-1234 5678", "4915112345678", "(0151) 1234.5678"] {
        assert_eq!(family().hide(text), "Person 1", "{text}");
    }
    // In other digits, and with invisible characters between them.
    for text in [
        "\u{664}\u{669}\u{661}\u{665}\u{661}\u{661}\u{662}\u{663}\u{664}\u{665}\u{666}\u{667}\u{668}",
        "+\u{ff14}\u{ff19} \u{ff11}\u{ff15}\u{ff11} 12345678",
        "49\u{2009}151\u{2009}12345678",
        "49_151_12345678",
        "4915\u{200b}112345678",
    ] {
        assert_eq!(family().hide(text), "Person 1", "{text}");
    }
    assert_eq!(family().hide("@4915112345678 are you there?"), "@Person 1 are you there?");
    assert_eq!(family().hide("call +1 202 555 0143 or 0176 99999999."), "call Person 4 or Person 2.");
    for text in ["in 2026", "1234567", "99 bottles", "1 + 1 = 2", "+", "5678", "12:30", "49 151 12345679"] {
        assert_eq!(family().hide(text), text);
    }
}

#[test]
fn a_card_is_hidden_like_any_text() {
    let card = "BEGIN:VCARD\nVERSION:3.0\nN:Müller;Anna;;;\nFN:Anna Müller\nTEL;type=CELL;waid=4915112345678:+49 151 12345678\nEND:VCARD";
    let hidden = family().hide(card);
    assert!(!hidden.contains("Anna") && !hidden.contains("ller") && !hidden.contains("12345678"), "{hidden}");
    assert!(hidden.contains("FN:Person 1\n") && hidden.contains("waid=Person 1:Person 1\n"), "{hidden}");
}

/// Which of two it is, only a message's sender can tell.
#[test]
fn two_of_one_name_are_told_apart_by_who_they_are() {
    let both = family();
    assert_eq!(both.stand_in("4917699999999@s.whatsapp.net").as_deref(), Some("Person 2"));
    assert_eq!(both.stand_in("12025550143@s.whatsapp.net").as_deref(), Some("Person 4"));
    assert_eq!(both.hide("Ben"), "Person 2");
    assert_eq!((both.reveal("Person 2").as_str(), both.reveal("Person 4").as_str()), ("Ben", "Ben"));
    assert_eq!(both.stand_in("somebody else"), None);
}

#[test]
fn what_is_no_stand_in_stays() {
    for text in
        ["Person 9", "Person", "Person X", "Personal 1", "APerson 1", "Person 1st", "Person 99999999999999999999"]
    {
        assert_eq!(family().reveal(text), text);
    }
    assert_eq!(family().reveal("Person 10 and Person 1"), "Person 10 and Anna Müller 🌸");
    assert_eq!(family().reveal("Person 5's, **Person 2**"), "Mark's, **Ben**");
}

#[test]
fn a_number_stays_who_it_was() {
    let (before, after) =
        (roster(&[(2, "b", "Ben")]), roster(&[(1, "a", "Anna"), (2, "b", "Benjamin"), (3, "c", "Ben")]));
    assert_eq!(
        (before.hide("Ben"), after.hide("Benjamin"), after.hide("Ben")),
        ("Person 2".into(), "Person 2".into(), "Person 3".into())
    );
}

#[test]
fn nobody_is_known_in_an_empty_chat() {
    let text = "Anna, +49 151 12345678, Person 1";
    assert_eq!((Roster::default().hide(text), Roster::default().reveal(text)), (text.to_owned(), text.to_owned()));
}

proptest! {
    /// Nothing is left of a name that stands alone, whatever surrounds it.
    #[test]
    fn no_name_is_left(before in "[ .,!?\"(\\-\n🌸]{0,6}", after in "[ .,!?\")\\-\n🌸]{0,6}", name in "Anna|ANNA|anna|Müller|García|José|Ben|Mark") {
        let hidden = family().hide(&format!("{before}{name}{after}"));
        prop_assert!(!hidden.to_lowercase().contains(&name.to_lowercase()), "{}", hidden);
    }

    /// No text breaks anything, and one without names stays unchanged.
    #[test]
    fn other_texts_stay(text in "\\PC{0,80}") {
        let nobody = roster(&[(1, "x", "Qzqzqzq")]);
        let _ = family().reveal(&family().hide(&text));
        prop_assert_eq!(nobody.hide(&text), text);
    }
}

/// However an answer is cut into pieces, it reads like the whole.
#[test]
fn names_come_back_in_pieces_as_in_the_whole() {
    let roster = roster(&[(1, "49170", "Anna"), (12, "49171", "Ben Bo")]);
    for text in [
        "Person 1 and Person 12, not Person 3, Persona 1, aPerson 1 or Person 1st: Person 1",
        "PersonPerson 1 Person 1Person 12 Person  1 Person 12345678901 Pers",
        "Person 1, Person 12.",
    ] {
        let whole = roster.reveal(text);
        for size in 1..12 {
            let mut names = growing::Names::of(Some(roster.clone()));
            let pieces = text.as_bytes().chunks(size).map(|piece| String::from_utf8(piece.to_vec()).unwrap());
            // What is held back at the end is said with the whole.
            let shown: String = pieces.map(|piece| names.more(piece)).collect();
            assert!(whole.starts_with(&shown) && whole.len() - shown.len() < 24, "{size}: {shown:?} of {whole:?}");
        }
    }
    assert_eq!(growing::Names::of(None).more("Person 1".to_owned()), "Person 1");
}
