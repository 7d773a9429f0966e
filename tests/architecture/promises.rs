//! SECURITY.md names the test behind each invariant; those tests exist.

/// The names in the invariants' table for which no test stands in `code`.
pub fn broken(security: &str, code: &str) -> Vec<String> {
    let rows = security.lines().filter(|line| line.starts_with("| ") && line.split('|').count() == 6);
    let names = rows.filter_map(|row| row.split('|').nth(4)).flat_map(|tests| tests.split('`').skip(1).step_by(2));
    names.filter(|name| !code.contains(&format!("fn {name}("))).map(str::to_owned).collect()
}

#[test]
fn a_promise_without_a_test_is_found() {
    let security = "| 1 | it holds | `a.rs` | `kept`, `not_kept` |\n| --- | --- | --- | --- |\n";
    assert_eq!(broken(security, "async fn kept() {}"), ["not_kept"]);
}
