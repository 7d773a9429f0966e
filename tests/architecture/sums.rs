//! How much has to be read to believe each promise: roots and boundaries from `lines.txt`, the rest computed.

use std::collections::BTreeMap;

use super::reach::{Reached, Ways};

/// One promise of `lines.txt`.
#[derive(Debug, Default)]
pub struct Promise {
    pub name: String,
    pub limit: usize,
    pub goal: Option<usize>,
    /// The promise whose files have been read by then.
    pub after: Option<String>,
    /// Modules, and why each is one to begin at.
    pub roots: Vec<(String, String)>,
    /// Modules that are left out, and which boundary keeps each from reaching out.
    pub without: Vec<(String, String)>,
}

/// The kinds of boundaries; `lines.txt` says what each promises.
const KINDS: [&str; 7] = ["type: ", "lint: ", "owner: ", "refuses: ", "shown: ", "wall: ", "other: "];

/// What stands in `lines.txt`, or what is wrong with it.
pub fn promises(text: &str) -> Result<Vec<Promise>, String> {
    let mut promises: Vec<Promise> = Vec::new();
    let mut key = "";
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'))
    {
        let wrong = |why: &str| format!("tests/architecture/lines.txt:{}: {why}", index + 1);
        let number = |value: &str| value.replace(',', "").parse().map_err(|_| wrong("no number"));
        if let Some(name) = line.strip_prefix("promise ") {
            promises.push(Promise { name: name.to_owned(), ..Promise::default() });
            continue;
        }
        let promise = promises.last_mut().ok_or_else(|| wrong("no promise before it"))?;
        let inside = line.starts_with("    ");
        let (word, rest) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
        if !inside {
            key = word;
        }
        match (inside, key) {
            (false, "limit") => promise.limit = number(rest)?,
            (false, "goal") => promise.goal = Some(number(rest)?),
            (false, "after") => promise.after = Some(rest.to_owned()),
            (false, "from" | "without") => {}
            (true, _) if rest.trim().is_empty() => return Err(wrong("a module without a reason")),
            (true, "from") => promise.roots.push((word.to_owned(), rest.trim().to_owned())),
            (true, "without") if !KINDS.iter().any(|kind| rest.trim().starts_with(kind)) => {
                return Err(wrong("no kind of boundary"));
            }
            (true, "without") => promise.without.push((word.to_owned(), rest.trim().to_owned())),
            _ => return Err(wrong("neither promise, limit, goal, after, from nor without")),
        }
    }
    Ok(promises)
}

/// What a promise comes to.
pub struct Sum {
    pub reached: Vec<Reached>,
    pub lines: usize,
}

/// Adds up what each promise reaches.
pub fn sums(promises: &[Promise], ways: &Ways, lines: &BTreeMap<String, usize>) -> Vec<Sum> {
    let mut sums: Vec<Sum> = Vec::new();
    for promise in promises {
        let names = |of: &[(String, String)]| -> Vec<String> { of.iter().map(|(name, _)| name.clone()).collect() };
        let earlier = promises.iter().zip(&sums).filter(|(earlier, _)| promise.after.as_ref() == Some(&earlier.name));
        let read = earlier.flat_map(|(_, sum)| sum.reached.iter().map(|reached| reached.file)).collect();
        let reached = ways.reached(&names(&promise.roots), &names(&promise.without), read);
        let files = reached.iter().map(|reached| &ways.workspace.files[reached.file]);
        sums.push(Sum { lines: files.map(|file| lines[&file.path]).sum(), reached });
    }
    sums
}

/// What is wrong: files that could not be read, names that are no module, boundaries that keep nothing
/// out, sums above their limits.
pub fn wrong(promises: &[Promise], sums: &[Sum], ways: &Ways) -> Vec<String> {
    let mut wrong = ways.workspace.problems.clone();
    for (promise, sum) in promises.iter().zip(sums) {
        let name = &promise.name;
        let named = promise.roots.iter().chain(&promise.without);
        let missing = named.filter(|(module, _)| ways.within(module).is_empty());
        wrong.extend(missing.map(|(module, _)| format!("{name}: there is no module {module}")));
        let needless = promise.without.iter().filter(|(module, _)| !keeps_out(ways, promise, sum, module));
        wrong.extend(needless.map(|(module, _)| format!("{name}: nothing reaches {module}; it needs no boundary")));
        if promise.after.as_ref().is_some_and(|after| !promises.iter().any(|other| other.name == *after)) {
            wrong.push(format!("{name}: comes after a promise that there is not"));
        }
        if sum.lines > promise.limit {
            let (lines, limit) = (thousands(sum.lines), thousands(promise.limit));
            wrong.push(format!(
                "{name}: {lines} lines of code above the limit of {limit} (`make lines V=1` lists them)"
            ));
        }
    }
    wrong
}

/// Whether something that counts leads to a module that does not, or has it as a part.
fn keeps_out(ways: &Ways, promise: &Promise, sum: &Sum, module: &str) -> bool {
    let left_out = ways.within(module);
    if left_out.is_empty() {
        return true; // It is not there, which is said already.
    }
    let leads = |from: usize| ways.from(from).iter().any(|edge| left_out.contains(&edge.to));
    sum.reached.iter().any(|reached| leads(reached.file))
        || promise.roots.iter().chain(&promise.without).any(|(whole, _)| module.starts_with(&format!("{whole}::")))
}

/// 12345 is 12,345.
pub fn thousands(number: usize) -> String {
    match number {
        0..1000 => number.to_string(),
        _ => format!("{},{:03}", thousands(number / 1000), number % 1000),
    }
}

#[test]
fn a_list_of_promises_is_read() {
    let text = "# c\npromise It holds\nlimit 1,200\ngoal 600\nfrom\n    a::b  decides\nwithout\n    c  type: asks\n";
    let read = promises(text).unwrap();
    assert_eq!((read[0].name.as_str(), read[0].limit, read[0].goal), ("It holds", 1200, Some(600)));
    assert_eq!(read[0].roots, [("a::b".to_owned(), "decides".to_owned())]);
    assert_eq!(read[0].without, [("c".to_owned(), "type: asks".to_owned())]);
    assert!(promises("promise a\nwithout\n    a  because it is\n").unwrap_err().contains("no kind"));
    assert!(promises("limit 3\n").is_err());
    assert!(promises("promise a\nfrom\n    a::b\n").unwrap_err().contains("lines.txt:3"));
}
