//! The rule that came nearest to a refused request, and the difference: an owner who wrote it finds
//! the difference more easily that way.
//!
//! It reveals nothing new: an agent sees its group's rules and their places.

use policies::{AllowRule, Facts, Fit, Host, HostPattern, Leave, Method, Path, Reading, RequestPattern};

use crate::written;

/// How a rule misses a request, nearest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Miss {
    /// Everything fits but the query.
    Query,
    /// A slash at the end.
    Slash,
    /// Upper and lower case.
    Case,
    /// The star covers only one segment.
    Depth,
    /// The request is below the page.
    Below,
}

/// A rule that nearly covers a request, and which of its patterns does.
pub(crate) struct Near<'a> {
    miss: Miss,
    pub(crate) rule: &'a AllowRule,
    pattern: &'a RequestPattern,
}

impl<'a> Near<'a> {
    /// The nearest of the rules that name the host and port of a request.
    pub(crate) fn of(request: &Reading<'_>, named: &[(Fit, &'a AllowRule)]) -> Option<Self> {
        let here = named.iter().filter(|(fit, _)| *fit == Fit::OtherPath).map(|(_, rule)| *rule);
        let all = here.flat_map(|rule| rule.requests.iter().map(move |pattern| (rule, pattern)));
        let near = all.filter_map(|(rule, pattern)| Some(Near { miss: miss(request, pattern)?, rule, pattern }));
        near.min_by_key(Near::rank)
    }

    /// Of several equally near rules, the narrower by content. The place in the file comes last, so
    /// that the order of rules does not change the advice.
    fn rank(&self) -> impl Ord + use<> {
        let (query, json) = (self.rule.query.clone(), self.rule.json.as_deref().map(written::json));
        (self.miss, query.is_none(), json.is_none(), query, json, self.rule.at.clone())
    }

    /// The difference in words, to follow the reason of the refusal.
    pub(crate) fn in_words(&self, facts: &Facts) -> String {
        let (says, path) = (says(self.rule), self.pattern.path());
        match self.miss {
            Miss::Query => match self.rule.query.as_deref() {
                Some([]) | None => format!("{says} it only without a query"),
                Some(pairs) => format!("{says} it only with the query {}", in_line(pairs)),
            },
            Miss::Slash if facts.path.as_str().ends_with('/') => {
                format!("{says} {path}, without the slash at the end")
            }
            Miss::Slash => format!("{says} {path}, with a slash at the end"),
            Miss::Case => format!("{says} {path}, and upper and lower case count"),
            Miss::Depth => format!("{says} {path}, where * is one segment"),
            Miss::Below => format!("{says} {path} and nothing below it"),
        }
    }
}

/// `family.toml:1 allows`
fn says(rule: &AllowRule) -> String {
    let does = match rule.leave {
        Leave::Given | Leave::Unasked => "allows",
        Leave::Asked => "asks about",
    };
    format!("{} {does}", rule.at)
}

fn in_line(pairs: &[(String, String)]) -> String {
    pairs.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join("&")
}

fn miss(request: &Reading<'_>, pattern: &RequestPattern) -> Option<Miss> {
    let path = request.facts.path.as_str();
    let own = pattern.path();
    if !request.allowed_by(pattern.methods()) {
        return None;
    }
    if covers(own, path) {
        return Some(Miss::Query);
    }
    let slashed = path.strip_suffix('/').filter(|path| !path.is_empty()).map_or(format!("{path}/"), str::to_owned);
    if covers(own, &slashed) {
        return Some(Miss::Slash);
    }
    if covers(&small(own), &small(path)) {
        return Some(Miss::Case);
    }
    if own.strip_suffix("/*").is_some_and(|folder| !folder.is_empty() && covers(&format!("{folder}/**"), path)) {
        return Some(Miss::Depth);
    }
    let below = own.len() > 1 && !own.ends_with('*') && covers(&format!("{}/**", own.trim_end_matches('/')), path);
    below.then_some(Miss::Below)
}

/// Whether a pattern covers a path, whatever the method.
fn covers(pattern: &str, path: &str) -> bool {
    let (pattern, path) = (RequestPattern::parse(&format!("* {pattern}")), Path::parse(path));
    matches!((pattern, path), (Ok(pattern), Ok(path)) if pattern.matches(Method::Get, &path))
}

/// Lower case, except for escapes, which have one spelling.
fn small(path: &str) -> String {
    let mut digits = 0_u8;
    let small = |c: char| {
        digits = if c == '%' { 3 } else { digits.saturating_sub(1) };
        if digits > 0 { c } else { c.to_ascii_lowercase() }
    };
    path.chars().map(small).collect()
}

/// What came near, in words, if no allow covers a request.
pub(crate) fn nearest<'r>(
    allows_of: &dyn Fn(&Host) -> Vec<&'r AllowRule>,
    request: &Reading<'_>,
    named: &[(Fit, &AllowRule)],
    near: Option<&Near<'_>>,
) -> Option<String> {
    match named.iter().map(|(fit, _)| *fit).max() {
        None => near_host(allows_of, &request.facts.authority.host),
        Some(Fit::OtherPort) => other_port(named),
        Some(Fit::OtherPath) => near.map(|near| near.in_words(request.facts)),
        Some(_) => None,
    }
}

/// A rule whose host is similar to one that no rule names, and the difference.
fn near_host<'r>(allows_of: &dyn Fn(&Host) -> Vec<&'r AllowRule>, host: &Host) -> Option<String> {
    let name = host.name()?.as_str();
    let found = |name: &str| Host::parse(name).ok().map(|host| allows_of(&host));
    let first = |rules: Vec<&AllowRule>, is: &dyn Fn(&HostPattern) -> bool, what: &dyn Fn(&AllowRule) -> String| {
        rules.into_iter().filter(|rule| is(&rule.host)).min_by(|a, b| a.at.cmp(&b.at)).map(what)
    };
    let is_star = |pattern: &HostPattern| match pattern {
        HostPattern::OneLabel(parent) | HostPattern::AnyDepth(parent) => parent.as_str() == name,
        HostPattern::Exact(_) => false,
    };
    let apex = |rule: &AllowRule| format!("{} {}, which does not cover {name} itself", says(rule), rule.host);
    if let Some(words) = found(&format!("x.{name}")).and_then(|rules| first(rules, &is_star, &apex)) {
        return Some(words);
    }
    let above = std::iter::successors(Some(name), |name| name.split_once('.').map(|(_, parent)| parent)).skip(1);
    let below = |rule: &AllowRule| match &rule.host {
        HostPattern::Exact(host) => format!("{} host = \"{host}\", and no name below it", says(rule)),
        star => format!("{} {star}, which is one label more and not two", says(rule)),
    };
    let mut above = above.filter(|name| name.contains('.')).filter_map(found);
    if let Some(words) = above.find_map(|rules| first(rules, &|_| true, &below)) {
        return Some(words);
    }
    let other = |rule: &AllowRule| format!("{} {}, which is another host", says(rule), rule.host);
    found(&format!("www.{name}")).and_then(|rules| first(rules, &HostPattern::is_exact, &other))
}

/// What the first rule for the host does allow.
fn other_port(named: &[(Fit, &AllowRule)]) -> Option<String> {
    let rule = named.iter().map(|(_, rule)| *rule).min_by(|a, b| a.at.cmp(&b.at))?;
    let ports: Vec<_> = rule.ports.iter().map(u16::to_string).collect();
    Some(format!("{} {} on port {}", says(rule), rule.scheme.as_str(), ports.join(", ")))
}
