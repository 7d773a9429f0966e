//! The head of a `SKILL.md`: the few lines of YAML in the Agent Skills format. Only what every agent reads is parsed,
//! `name` and `description`; the rest is the agent's business.

/// The parsed head.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Front {
    pub(super) name: String,
    pub(super) description: String,
}

/// What is wrong, and in which line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) line: usize,
    pub(super) why: String,
}

const LONGEST: usize = 1024;

/// Parses a text's head.
pub(super) fn read(text: &str) -> Result<Front, Wrong> {
    let begins = "a SKILL.md begins with a line `---`, then `name:` and `description:`, then another `---`";
    let mut lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim_end()));
    if lines.next().is_none_or(|(_, line)| line != "---") {
        return Err(wrong(1, begins));
    }
    let (mut name, mut description) = (None, None);
    let mut value: Option<(&str, usize, String)> = None;
    loop {
        let Some((at, line)) = lines.next() else { return Err(wrong(1, &format!("the head has no end: {begins}"))) };
        let goes_on = line.starts_with([' ', '\t']) || line.is_empty();
        if let (true, Some((_, _, text))) = (goes_on, &mut value) {
            text.push(' ');
            text.push_str(line.trim());
            continue;
        }
        if let Some((key, at, text)) = value.take() {
            let place = if key == "name" { &mut name } else { &mut description };
            if place.replace((at, scalar(&text).map_err(|why| wrong(at, &why))?)).is_some() {
                return Err(wrong(at, &format!("`{key}` is there twice; keep one")));
            }
        }
        if line == "---" {
            break;
        }
        match line.split_once(':') {
            _ if goes_on || line.starts_with('#') => {}
            Some((key @ ("name" | "description"), text)) => value = Some((key, at, text.trim().to_owned())),
            Some(_) => {}
            None if line.starts_with('-') => {}
            None => return Err(wrong(at, "this line is no `key: value`")),
        }
    }
    let (_, name) = name.ok_or_else(|| wrong(1, "the head has no `name`; add name: with the name of the folder"))?;
    let (at, description) = description.ok_or_else(|| {
        wrong(1, "the head has no `description`; add one that says what the skill does and when to use it")
    })?;
    if description.is_empty() || description.chars().count() > LONGEST || description.chars().any(char::is_control) {
        return Err(wrong(at, &format!("`description` is a text of 1 to {LONGEST} characters on lines of its own")));
    }
    Ok(Front { name, description })
}

/// A plain, quoted or block scalar.
fn scalar(text: &str) -> Result<String, String> {
    let text = text.trim();
    let block = [">-", ">+", ">", "|-", "|+", "|"].iter().find_map(|sign| text.strip_prefix(sign));
    let plain = match block {
        Some(rest) if rest.is_empty() || rest.starts_with(' ') => rest,
        _ => match (text.strip_prefix('"'), text.strip_prefix('\'')) {
            (Some(rest), _) => {
                let inner = rest.strip_suffix('"').filter(|inner| !inner.contains(['"', '\\']));
                inner.ok_or("a value in quotes ends with one, and has none and no backslash in it")?
            }
            (_, Some(rest)) => {
                let inner = rest.strip_suffix('\'').filter(|inner| !inner.contains('\''));
                inner.ok_or("a value in quotes ends with one, and has none in it")?
            }
            _ if text.starts_with(['&', '*', '!', '{', '[', '@', '`', '%']) => {
                return Err("write the value plainly, or in double quotes".to_owned());
            }
            _ => text.split(" #").next().unwrap_or_default(),
        },
    };
    Ok(plain.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn wrong(line: usize, why: &str) -> Wrong {
    Wrong { line, why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn described(head: &str) -> Result<String, (usize, String)> {
        let text = format!("---\nname: weather\n{head}\n---\n\nText: with colons\n");
        read(&text).map(|front| front.description).map_err(|wrong| (wrong.line, wrong.why))
    }

    #[test]
    fn values_are_read_as_yaml_writes_them() {
        for head in [
            "description: The weather. Use it for trips.",
            "description: \"The weather. Use it for trips.\"",
            "description: 'The weather. Use it for trips.'",
            "description: >-\n  The weather.\n  Use it for trips.",
            "description: |\n  The weather.\n\n  Use it for trips.",
            "description: The weather.\n  Use it for trips.",
            "license: MIT\nmetadata:\n  name: other\n  description: x\nallowed-tools:\n- Bash\n# note\ndescription: The weather. Use it for trips. # here",
        ] {
            assert_eq!(described(head).unwrap(), "The weather. Use it for trips.", "{head}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        assert_eq!(read("# Weather\n").unwrap_err().line, 1);
        assert!(read("---\nname: a\n").unwrap_err().why.starts_with("the head has no end"));
        assert!(described("").unwrap_err().1.contains("no `description`"));
        assert_eq!(described("description: a\nname: b"), Err((4, "`name` is there twice; keep one".to_owned())));
        assert_eq!(described("words").unwrap_err().0, 3);
        assert_eq!(described("description: \"a").unwrap_err().0, 3);
        assert_eq!(described("description: [a]").unwrap_err().0, 3);
        assert!(described(&format!("description: {}", "x".repeat(1025))).unwrap_err().1.contains("1 to 1024"));
        assert!(described("description: a\u{1b}[2Jb").is_err());
    }
}
