//! A `Dockerfile.add`: what an owner adds to an image. It is parsed strictly, and the build uses a
//! Dockerfile written from the parsed instructions, so that only what was checked is executed.

/// The most bytes in one.
pub const LONGEST_ADDITION: usize = 64 << 10;

/// The instructions that can be added: none of them fetches.
const KNOWN: [&str; 6] = ["RUN", "COPY", "ENV", "ARG", "WORKDIR", "USER"];

/// Instructions about how a container is started, which the sandbox decides.
const OF_CONTAINERS: [&str; 9] =
    ["CMD", "ENTRYPOINT", "EXPOSE", "HEALTHCHECK", "LABEL", "MAINTAINER", "SHELL", "STOPSIGNAL", "VOLUME"];

/// Prefixes of comments that are directives to the builder.
const DIRECTIVES: [&str; 3] = ["syntax", "escape", "check"];

/// The instructions of a `Dockerfile.add`, each in one line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addition(Vec<String>);

/// Why a `Dockerfile.add` cannot be built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdditionError {
    /// The line, counted from 1.
    pub line: u32,
    /// What is wrong, and what to do.
    pub why: String,
}

impl Addition {
    /// Parses one.
    pub fn parse(text: &str) -> Result<Self, AdditionError> {
        let mut instructions = Vec::new();
        let mut open: Option<(u32, String)> = None;
        for (line, text) in (1..).zip(text.lines()) {
            let text = text.trim_end();
            if text.chars().any(|c| c.is_control() && c != '\t') {
                return Err(wrong(line, "it holds a control character; write plain text"));
            }
            if let Some(comment) = text.trim_start().strip_prefix('#') {
                no_directive(line, comment)?;
                continue;
            }
            if text.is_empty() {
                continue;
            }
            let (first, so_far) = open.take().unwrap_or_else(|| (line, String::new()));
            match text.strip_suffix('\\') {
                Some(text) if text.ends_with('\\') => {
                    return Err(wrong(line, "it ends with two backslashes; one says that the line goes on"));
                }
                Some(text) => open = Some((first, so_far + text)),
                None => instructions.push(instruction(first, &(so_far + text))?),
            }
        }
        match open {
            Some((line, _)) => Err(wrong(line, "its last line ends with a backslash, and nothing follows")),
            None => Ok(Addition(instructions)),
        }
    }

    /// The whole Dockerfile, on top of an image.
    pub(super) fn on(&self, image: &str) -> String {
        let lines = std::iter::once(format!("FROM {image}")).chain(self.0.iter().cloned());
        lines.map(|line| line + "\n").collect()
    }

    /// Whether it adds nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn wrong(line: u32, why: impl Into<String>) -> AdditionError {
    AdditionError { line, why: why.into() }
}

fn no_directive(line: u32, comment: &str) -> Result<(), AdditionError> {
    let name = comment.split_once('=').map(|(name, _)| name.trim().to_ascii_lowercase());
    match name.filter(|name| DIRECTIVES.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => Err(wrong(
            line,
            format!("`# {name}=` chooses another reader of this file, and there is one alone; take the line out"),
        )),
    }
}

fn instruction(line: u32, text: &str) -> Result<String, AdditionError> {
    let (word, rest) = text.trim().split_once([' ', '\t']).unwrap_or((text.trim(), ""));
    let (word, rest) = (word.to_ascii_uppercase(), rest.trim());
    let known = KNOWN.join(", ");
    match word.as_str() {
        "FROM" => {
            let why =
                "what the image begins with is `from` in image.toml, and there is no other FROM; take the line out";
            return Err(wrong(line, why));
        }
        "ADD" => {
            return Err(wrong(
                line,
                "ADD can fetch, past every policy; let `fetch` do that, and write COPY files/… (RUN tar -x unpacks)",
            ));
        }
        "ONBUILD" => return Err(wrong(line, "ONBUILD would run when nobody looks; write the instruction itself")),
        other if OF_CONTAINERS.contains(&other) => {
            return Err(wrong(line, format!("{other} says nothing to a sandbox; take it out. What counts: {known}")));
        }
        other if !KNOWN.contains(&other) => {
            let why =
                format!("there is no instruction {other:?}; known are {known}, and a line that goes on ends with \\");
            return Err(wrong(line, why));
        }
        _ => {}
    }
    if rest.is_empty() {
        return Err(wrong(line, format!("{word} of what?")));
    }
    let options = rest.split([' ', '\t']).filter(|word| !word.is_empty()).take_while(|word| word.starts_with("--"));
    for option in options {
        if word == "COPY" && option.starts_with("--chown=") {
            continue;
        }
        let why = match (word.as_str(), option.split('=').next().unwrap_or(option)) {
            ("COPY", "--from") => {
                "COPY --from takes from another image, which nobody would have judged; take files/… of what `fetch` left"
                    .to_owned()
            }
            ("RUN", "--network") => "the build has no network, whatever RUN says; let `fetch` fetch it".to_owned(),
            (word, option) => format!("{word} has no {option} here; take it out"),
        };
        return Err(wrong(line, why));
    }
    Ok(format!("{word} {rest}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_built_is_written_anew() {
        let text =
            "# a comment\r\ncopy --chown=0:0 files/ /opt/\n\nRUN a && \\\n  # in between\n\n    b # ok\nUSER root\n";
        let addition = Addition::parse(text).unwrap();
        let wanted = "FROM doorward/base:1\nCOPY --chown=0:0 files/ /opt/\nRUN a &&     b # ok\nUSER root\n";
        assert_eq!(addition.on("doorward/base:1"), wanted);
        assert!(Addition::parse("# nothing\n\n").unwrap().is_empty());
    }

    #[test]
    fn what_would_fetch_or_mean_something_else_is_refused_with_its_line() {
        for (text, line, why) in [
            ("FROM debian", 1, "`from` in image.toml"),
            ("RUN true\nfrom debian AS other", 2, "`from` in image.toml"),
            ("ADD https://files.example/a.tar.gz /opt/", 1, "ADD can fetch"),
            ("ADD files/a.tar.gz /opt/", 1, "ADD can fetch"),
            ("ADD ${WHERE} /opt/", 1, "ADD can fetch"),
            ("A\\\nDD https://files.example/a /opt/", 1, "ADD can fetch"),
            ("COPY --from=debian /etc /etc", 1, "another image"),
            ("COPY --chown=0 --from=0 /etc /etc", 1, "another image"),
            ("COPY --link files/a /a", 1, "COPY has no --link"),
            ("RUN --network=host curl https://files.example", 1, "no network, whatever RUN says"),
            ("RUN --mount=type=bind,from=debian,target=/d true", 1, "RUN has no --mount"),
            ("RUN --security=insecure true", 1, "RUN has no --security"),
            ("ONBUILD RUN true", 1, "ONBUILD"),
            ("# syntax=docker/dockerfile:1\nRUN true", 1, "`# syntax=`"),
            ("#escape=`\nRUN true", 1, "`# escape=`"),
            ("RUN true\n# Syntax = other", 2, "`# syntax=`"),
            ("VOLUME /data", 1, "says nothing to a sandbox"),
            ("ENTRYPOINT [\"/bin/sh\"]", 1, "says nothing to a sandbox"),
            ("HEALTHCHECK CMD true", 1, "says nothing to a sandbox"),
            ("RUN", 1, "RUN of what?"),
            ("RUN cat <<END\nhello\nEND", 2, "no instruction \"HELLO\""),
            ("RUN true \\", 1, "nothing follows"),
            ("RUN true \\\\\nADD x y", 1, "two backslashes"),
            ("RUN true\u{b}ADD x", 1, "control character"),
        ] {
            let error = Addition::parse(text).unwrap_err();
            assert!(error.line == line && error.why.contains(why), "{text:?}: {error:?}");
        }
    }
}
