//! SECURITY.md names the test behind each invariant; those tests exist.

/// The names in the invariants' table for which no test stands in `code`.
pub fn broken(security: &str, code: &str) -> Vec<String> {
    let rows = security.lines().filter(|line| line.starts_with("| ") && line.split('|').count() == 7);
    let names = rows.filter_map(|row| row.split('|').nth(4)).flat_map(|tests| tests.split('`').skip(1).step_by(2));
    names.filter(|name| !code.contains(&format!("fn {name}("))).map(str::to_owned).collect()
}

/// The invariants of the table that no patch in `tests/guards` breaks, and patches that
/// name what is not there.
pub fn unguarded(security: &str, patches: &[(String, String)], code: &str) -> Vec<String> {
    let said = |text: &str, key: &str| text.lines().find_map(|line| line.strip_prefix(key).map(str::to_owned));
    let numbers: Vec<_> = patches.iter().filter_map(|(_, text)| said(text, "Invariant: ")).collect();
    let rows = security.lines().filter(|line| line.starts_with("| ") && line.split('|').count() == 7);
    let rows = rows.filter_map(|row| row.split('|').nth(1)).map(str::trim).filter(|row| row.parse::<u8>().is_ok());
    let mut wrong: Vec<_> = rows
        .filter(|row| !numbers.iter().any(|number| number == row))
        .map(|row| format!("invariant {row} has no patch"))
        .collect();
    for (name, text) in patches {
        let red = said(text, "Red: ").unwrap_or_default();
        let test = red.split(' ').rfind(|word| !word.contains('=')).unwrap_or_default();
        if !code.contains(&format!("fn {test}")) || !security.contains(&format!("`{name}`")) {
            wrong.push(format!("{name}: no test `{test}`, or not in SECURITY.md"));
        }
    }
    wrong
}

#[test]
fn an_invariant_without_a_patch_is_found() {
    let security = "| 1 | a | b | `kept` | `01-a` |\n| 2 | c | d | `kept` | |\n";
    let patch = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    let patches =
        [patch("01-a", "Invariant: 1\nRed: -p x kept ATTACK=A\n"), patch("03-b", "Invariant: 3\nRed: -p x gone\n")];
    let wrong = unguarded(security, &patches, "fn kept() {}");
    assert_eq!(wrong, ["invariant 2 has no patch", "03-b: no test `gone`, or not in SECURITY.md"]);
}

#[test]
fn a_promise_without_a_test_is_found() {
    let security = "| 1 | it holds | `a.rs` | `kept`, `not_kept` | `01-a` |\n| --- | --- | --- | --- | --- |\n";
    assert_eq!(broken(security, "async fn kept() {}"), ["not_kept"]);
}
