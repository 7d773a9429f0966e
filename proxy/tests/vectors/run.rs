//! Runs one case through a real door and reports everything that is wrong with the result.

use std::collections::BTreeSet;

use policies::Code;
use serde_json::Value;

use crate::case::{Case, Filler, Verdict};
use crate::frames;
use crate::support::ports::{HOST_PATH, Row};
use crate::support::upstream::Received;
use crate::support::{Answer, Client, Setup, TRACES, World, get, spelled, until_or_give_up};

/// The result of a case.
pub struct Run {
    pub faults: Vec<String>,
    /// Its rows in the log.
    pub rows: Vec<Row>,
}

/// Runs it normally.
pub async fn run(case: &Case) -> Run {
    let mut setup = Setup { limits: case.limits(), owner: case.owner, ..Setup::default() };
    setup.family.push_str(&case.also);
    run_in(case, setup).await
}

/// Runs it behind an open door: everything that was refused is allowed, and with `guards: false`
/// nothing is watched.
pub async fn run_weakened(case: &Case, rows: &[Row], guards: bool) -> Run {
    let mut setup = Setup { limits: case.limits(), guards, ..Setup::default() };
    if !rows.is_empty() {
        setup.family = opened(rows);
        setup.work = opened(rows);
    }
    run_in(case, setup).await
}

fn opened(rows: &[Row]) -> String {
    let mut seen = BTreeSet::from([("cdn.allowed.test".to_owned(), 443, "https")]);
    for decision in rows.iter().map(|row| &row.decision) {
        // A host that was itself a leak is hidden in the log and cannot be opened.
        if let (Some(host), Some(port), Some(scheme)) = (&decision.host, decision.port, decision.scheme)
            && !host.starts_with('(')
        {
            seen.insert((host.clone(), port, scheme));
        }
    }
    let rule = |(host, port, scheme)| {
        format!(
            "[[allow]]\nhost = \"{host}\"\nports = [{port}]\nscheme = \"{scheme}\"\n\
             do = [\"* /**\"]\nwebsocket = true\nprivate = [\"127.0.0.0/8\"]\n"
        )
    };
    seen.into_iter().map(rule).collect()
}

async fn run_in(case: &Case, setup: Setup) -> Run {
    let world = World::with(setup).await;
    let traces_from = TRACES.lock().unwrap().len();
    let mut values = world.values.clone();
    values.insert("TRAP_PORT", world.canary.address.port().to_string());
    let filler = Filler { values };
    if case.answer == ["<<wait>>"] {
        world.upstreams().for_each(|upstream| upstream.never_answers());
    } else if !case.answer.is_empty() {
        let pieces: Vec<_> = case.answer.iter().map(|piece| filler.bytes(piece)).collect();
        world.upstreams().for_each(|upstream| upstream.answers_in_pieces(pieces.clone()));
    }
    for (name, answers) in &case.names {
        world.resolves(name, answers);
    }
    let said = if case.anew { anew(case, &filler, &world).await } else { converse(case, &filler, &world).await };
    // A record may follow the end of its connection by a moment.
    let wanted = case.record.len();
    until_or_give_up(|| world.log.rows().len() >= wanted && world.log.is_settled()).await;
    let rows = world.log.rows();
    let received: Vec<_> = world.upstreams().flat_map(|upstream| upstream.received()).collect();
    let mut judge = Judge { case, filler: &filler, world: &world, traces_from, faults: Vec::new() };
    judge.answers(&said);
    judge.records(&rows);
    judge.upstream(&rows, &received);
    judge.nothing_leaked(&said.bytes, &rows);
    judge.nothing_is_told(&said.bytes);
    judge.nothing_reached_in_vain();
    judge.next_requests_succeed().await;
    Run { faults: judge.faults, rows }
}

/// What the client got.
#[derive(Default)]
struct Conversation {
    answers: Vec<Answer>,
    /// How the streams of HTTP/2 ended.
    came: Vec<String>,
    bytes: Vec<u8>,
}

/// Sends the case's pieces, each on a separate connection.
async fn anew(case: &Case, filler: &Filler<'_>, world: &World) -> Conversation {
    let mut all = Conversation::default();
    for (piece, status) in case.send.iter().zip(&case.status) {
        let alone = Case { send: vec![piece.clone()], status: vec![*status], ..case.clone() };
        let said = converse(&alone, filler, world).await;
        all.answers.extend(said.answers);
        all.bytes.extend(said.bytes);
    }
    all
}

/// Sends what the case contains.
async fn converse(case: &Case, filler: &Filler<'_>, world: &World) -> Conversation {
    let said = |answers, bytes| Conversation { answers, bytes, ..Conversation::default() };
    let door = if case.door == "work" { &world.work } else { &world.family };
    let mut client = door.connect().await;
    let mut answers = Vec::new();
    let target = case.connect.as_ref().map(|target| filler.text(target));
    let connect = match (&case.connect_raw, &target) {
        (Some(raw), _) => Some(filler.bytes(raw)),
        (None, Some(target)) => Some(format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n").into_bytes()),
        (None, None) => None,
    };
    if let Some(connect) = connect {
        client.send(connect).await;
        let opened = client.head_answer().await;
        match opened {
            Some(answer) if answer.status == 200 => {}
            Some(answer) => {
                let rest = client.finish().await;
                answers.push(Answer { body: rest, ..answer });
                return said(answers, client.raw);
            }
            None => return said(answers, client.raw),
        }
        if case.tls {
            let before = client.raw.clone();
            let (host, named) = tls_name(case, filler, target.as_deref());
            let protocol: &[u8] = if case.frames.is_some() { b"h2" } else { b"http/1.1" };
            match client.tls_speaking(&host, named, protocol).await {
                Ok(inside) => client = inside,
                Err(_) => return said(answers, before),
            }
        }
    }
    let host = target.as_deref().map(|target| target.trim_end_matches(":443").to_owned()).unwrap_or_default();
    if let Some(script) = &case.frames {
        let came = frames::speak(script, filler, &host, &mut client).await;
        return Conversation { came, bytes: client.raw, ..Conversation::default() };
    }
    let request = case.request.iter().map(|request| filler.bytes(&request.replace('\n', "\r\n")));
    let mut pieces: Vec<_> = request.chain(case.send.iter().map(|piece| filler.bytes(piece))).collect();
    pieces.extend(case.get.as_ref().map(|path| get(&host, &filler.text(path)).into_bytes()));
    for piece in pieces {
        client.send(piece).await;
    }
    receive(case, &mut client, &mut answers).await;
    said(answers, client.raw)
}

/// Whose certificate the TLS client wants, and whether it names the host.
fn tls_name(case: &Case, filler: &Filler<'_>, target: Option<&str>) -> (String, bool) {
    if let Some(name) = case.sni.as_deref().filter(|name| !name.is_empty()) {
        return (filler.text(name), true);
    }
    let host = target.and_then(|target| target.rsplit_once(':')).map(|(host, _)| host).unwrap_or("unnamed.test");
    (host.trim_end_matches('.').to_ascii_lowercase(), case.sni.is_none())
}

async fn receive(case: &Case, client: &mut Client, answers: &mut Vec<Answer>) {
    if case.ends {
        client.half_close().await;
    }
    while answers.len() < case.status.len() {
        let next = if case.head { client.head_answer().await } else { client.answer().await };
        let Some(answer) = next else { break };
        if answer.status >= 200 || answer.status == 101 {
            answers.push(answer);
        }
    }
    let rest = if case.silent {
        let mut rest = Vec::new();
        loop {
            let some = client.some().await;
            if some.is_empty() {
                break rest;
            }
            rest.extend(some);
        }
    } else {
        client.finish().await
    };
    // An additional answer is a fault; so is anything else unexpected, except for the alert with
    // which a TLS server rejects what is not TLS.
    if !rest.is_empty() && rest[0] != 0x15 {
        let status = String::from_utf8_lossy(&rest).split(' ').nth(1).and_then(|status| status.parse().ok());
        answers.push(Answer { status: status.unwrap_or(0), head: rest.clone(), body: rest, complete: false });
    }
}

struct Judge<'a> {
    case: &'a Case,
    filler: &'a Filler<'a>,
    world: &'a World,
    /// Where this case's traces begin.
    traces_from: usize,
    faults: Vec<String>,
}

impl Judge<'_> {
    fn check(&mut self, holds: bool, fault: impl FnOnce() -> String) {
        if !holds {
            self.faults.push(fault());
        }
    }

    fn answers(&mut self, said: &Conversation) {
        let Conversation { answers, came, bytes: client } = said;
        let others = self.case.among;
        let as_wanted =
            self.case.came.iter().all(|end| came.contains(end)) && (others || came.len() == self.case.came.len());
        self.check(as_wanted, || format!("came {came:?}, not {:?}", self.case.came));
        let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
        self.check(statuses == self.case.status, || {
            let heads: Vec<_> =
                answers.iter().map(|answer| String::from_utf8_lossy(&answer.head).into_owned()).collect();
            format!("answered {statuses:?}, not {:?}: {heads:?}", self.case.status)
        });
        let bodies: Vec<u8> = answers.iter().flat_map(|answer| answer.body.clone()).collect();
        for text in &self.case.client_has {
            let wanted = self.filler.bytes(text);
            self.check(holds(client, &wanted) || holds(&bodies, &wanted), || {
                format!("the client did not get {text:?}")
            });
        }
        for text in &self.case.client_lacks {
            let unwanted = self.filler.bytes(text);
            self.check(!holds(client, &unwanted) && !holds(&bodies, &unwanted), || format!("the client got {text:?}"));
        }
    }

    fn records(&mut self, rows: &[Row]) {
        let wanted = &self.case.record;
        self.check(!rows.is_empty(), || "there is no audit record".to_owned());
        if self.case.among {
            return self.records_among(rows);
        }
        self.check(rows.len() == wanted.len(), || {
            let codes: Vec<_> =
                rows.iter().map(|row| (row.decision.verdict, row.code(), row.decision.why.clone())).collect();
            format!("{} records, not {}: {codes:?}", rows.len(), wanted.len())
        });
        for (row, wanted) in rows.iter().zip(wanted) {
            let flat = flat(row);
            for (key, value) in wanted {
                let wanted = match value {
                    toml::Value::String(text) => Value::String(self.filler.text(text)),
                    other => serde_json::to_value(other).unwrap(),
                };
                let found = flat.get(key).cloned().unwrap_or_default();
                self.check(found == wanted, || format!("the record's {key} is {found}, not {wanted}"));
            }
            let group = &row.decision.identity.group;
            self.check(group.as_str() == self.case.door, || format!("the record names group {group}"));
            let refused = row.code().is_some();
            self.check(
                refused != (row.is_allowed() && row.outcome().status.is_some() && row.outcome().why.is_none()),
                || "a record is neither refused nor answered".to_owned(),
            );
            self.check(row.decision.policy.is_some(), || "a record names no policy".to_owned());
            self.check(row.decision.connection > 0, || "a record names no connection".to_owned());
        }
        self.nothing_to_obey(rows);
    }

    /// Attacks L01, L02: escaped when it is written, whatever shows it later.
    fn nothing_to_obey(&mut self, rows: &[Row]) {
        for value in rows.iter().flat_map(|row| flat(row).into_values()) {
            let text = value.as_str().unwrap_or_default();
            let odd = text.chars().find(|c| !matches!(c, ' '..='~' | '…' | '’'));
            self.check(odd.is_none(), || format!("a record holds {odd:?} as it is: {text:?}"));
        }
    }

    fn records_among(&mut self, rows: &[Row]) {
        for wanted in &self.case.record {
            let is = |flat: serde_json::Map<String, Value>| {
                wanted.iter().all(|(key, value)| flat.get(key) == serde_json::to_value(value).ok().as_ref())
            };
            let codes = || rows.iter().map(|row| (row.decision.verdict, row.code())).collect::<Vec<_>>();
            self.check(rows.iter().any(|row| is(flat(row))), || format!("none of {:?} is {wanted}", codes()));
        }
    }

    fn upstream(&mut self, rows: &[Row], received: &[Received]) {
        let whole = received.iter().filter(|request| request.complete).count();
        let allowed = rows.iter().filter(|row| row.is_allowed() && !never_sent(row)).count();
        let went_well = rows.iter().filter(|row| row.is_allowed() && row.code().is_none()).count();
        let wanted = self.case.upstream.unwrap_or(went_well);
        self.check(whole == wanted || (self.case.among && self.case.upstream.is_none()), || {
            format!("{whole} whole requests upstream, not {wanted}")
        });
        self.check(received.len() <= allowed, || format!("{} requests upstream, {allowed} allowed", received.len()));
        let must_be_empty =
            matches!(self.case.verdict, Verdict::Block | Verdict::Close) && !self.case.status.contains(&200);
        self.check(!(must_be_empty && !received.is_empty() && allowed == 0), || {
            "something reached an upstream".to_owned()
        });
        let all: Vec<u8> = received.iter().flat_map(|request| [&request.head[..], &request.body].concat()).collect();
        for text in &self.case.upstream_has {
            self.check(holds(&all, &self.filler.bytes(text)), || {
                format!("the upstream did not get {text:?} but {:?}", String::from_utf8_lossy(&all))
            });
        }
        for text in &self.case.upstream_lacks {
            self.check(!holds(&all, &self.filler.bytes(text)), || format!("the upstream got {text:?}"));
        }
    }

    /// Attacks §2, check 2.
    fn nothing_leaked(&mut self, client: &[u8], rows: &[Row]) {
        let log: Vec<u8> = rows.iter().flat_map(|row| Value::Object(flat(row)).to_string().into_bytes()).collect();
        let traces = TRACES.lock().unwrap()[self.traces_from..].to_vec();
        for name in ["REAL1", "REAL2", "REAL3", "REAL4", "REAL5", "REAL6", "NEW1", "NEW2"] {
            for (place, bytes) in [("what the client got", client), ("the log", &log), ("the traces", &traces)] {
                let form = spelled::find(&self.world.values[name], bytes);
                self.check(form.is_none(), || format!("{name} stands in {place} ({})", form.unwrap_or_default()));
            }
        }
    }

    /// Nor anything on the host, the name of a bait, or anything of the other group.
    fn nothing_is_told(&mut self, client: &[u8]) {
        let other = if self.case.door == "work" { "family" } else { "work" };
        let names = [HOST_PATH.to_owned(), "bait bait".to_owned(), format!("group {other}"), format!("{other}.toml")];
        for name in names {
            let told = client.windows(name.len()).any(|part| part == name.as_bytes());
            self.check(!told, || format!("the client was told of {name}"));
        }
    }

    /// Attacks §2, check 1.
    fn nothing_reached_in_vain(&mut self) {
        // In this order: a record is stored before its name is resolved.
        let (asked, rows) = (self.world.names.asked(), self.world.log.rows());
        let hits = self.world.canary.hits();
        self.check(hits == 0, || format!("the canary was reached {hits} times"));
        let allowed: BTreeSet<_> =
            rows.iter().filter(|row| row.is_allowed()).filter_map(|row| row.decision.host.clone()).collect();
        let denied: Vec<_> = asked.into_iter().filter(|name| !allowed.contains(name)).collect();
        self.check(denied.is_empty(), || format!("resolved without a permit: {denied:?}"));
    }

    /// Attacks §2, check 5.
    async fn next_requests_succeed(&mut self) {
        self.world.upstreams().for_each(|upstream| upstream.answers_as_usual());
        for (group, door) in [("family", &self.world.family), ("work", &self.world.work)] {
            let answer = door.get("cdn.allowed.test", "/benign").await;
            self.check(answer.status == 200, || format!("a benign request of {group} got {}", answer.status));
        }
    }
}

/// Allowed, but not one byte of it may have left.
fn never_sent(row: &Row) -> bool {
    matches!(row.code(), Some(Code::TlsVerify | Code::ResolvedPrivate | Code::Unresolved | Code::Revoked))
}

/// A row as one table: the outcome's fields beside the decision's.
fn flat(row: &Row) -> serde_json::Map<String, Value> {
    let Value::Object(mut flat) = serde_json::to_value(&row.decision).unwrap() else { unreachable!("a struct") };
    if let Some(outcome) = &row.outcome {
        let Value::Object(outcome) = serde_json::to_value(outcome).unwrap() else { unreachable!("a struct") };
        let says = |value: &Value| !matches!(value, Value::Null | Value::Bool(false));
        flat.extend(outcome.into_iter().filter(|(_, value)| says(value)));
    }
    flat
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// Whether only the verdict stops this: a rule could allow it. Addresses outside this machine are
/// excluded.
pub fn rests_on_policy(row: &Row) -> bool {
    let host = row.decision.host.as_deref().unwrap_or_default();
    let is_address = host.starts_with('[') || host.parse::<std::net::IpAddr>().is_ok();
    let can_be_opened = !is_address || host.starts_with("127.");
    let code = row.decision.code.map(Code::as_str);
    // Without a scheme the request was not read, and no rule was consulted.
    row.decision.scheme.is_some() && can_be_opened && code.is_some_and(|code| BY_POLICY.contains(&code))
}

/// Whether only the watchlist or the guarded hosts stop this.
pub fn rests_on_guards(row: &Row) -> bool {
    row.code().is_some_and(|code| BY_GUARDS.contains(&code.as_str()))
}

/// Refusals that a rule could lift.
pub const BY_POLICY: [&str; 7] =
    ["not_allowed", "port_denied", "method_denied", "path_denied", "denied_by_rule", "ip_literal", "upgrade_denied"];

/// Refusals by the watchlist or the guarded hosts.
pub const BY_GUARDS: [&str; 8] = [
    "surrogate_unbound",
    "surrogate_location",
    "surrogate_foreign",
    "surrogate_retired",
    "credential_not_surrogate",
    "surrogate_missing",
    "not_harmless",
    "secret_in_request",
];
