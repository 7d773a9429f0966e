//! From policy text to the policy that judges.

use std::collections::HashMap;

use desk::{Problem, Problems, Text, did_you_mean};
use policies::{AllowRule, Asking, GroupName, HostPattern, Limits, Origin, PatternError, Policy, PolicyHash, Rules};

use crate::advice::advise;
use crate::part::Part;
use crate::sentence::TELLER;
use crate::skills::skill_file;
use crate::test_run::TestReport;
use crate::{file, presets, skills, summary, test_run, warnings};

/// A text to compile, with the name by which its owner knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// `policies/family.toml`; for a preset `preset claude`.
    pub name: String,
    /// The TOML.
    pub text: String,
}

/// All texts of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Texts {
    /// The group's own file.
    pub file: Source,
    /// Denials that no group can relax.
    pub base: Option<Source>,
    /// Presets by name, where another version than the shipped one is in force.
    pub presets: Vec<Source>,
    /// What the owner has accepted of skills, by name.
    pub skills: Vec<Source>,
}

/// The result of compiling: the policy, and what its owner should know about it.
#[derive(Debug)]
pub struct Compiled {
    /// The policy that judges.
    pub policy: Policy,
    /// Not fatal: failed `[[test]]`s that want more, rules that can never match, answers that pass unread.
    pub warnings: Problems,
}

/// One kind of request to one host: host, port, and the pattern with its method and path.
type Asked<'a> = (&'a HostPattern, u16, String);

/// Compiles a group's file. Presets named in `use` are looked up in [`crate::presets`]; `base`
/// holds denials that no group can relax. The tests of both files are run; those of presets are
/// about the preset alone and are not.
pub fn compile(group: &GroupName, file: &Source, base: Option<&Source>) -> Result<Compiled, Problems> {
    compile_all(group, &Texts { base: base.cloned(), ..Texts::of(file.clone()) })
}

/// The same with skills, and with presets other than the shipped ones. Tests of skills are about the
/// skill alone, like those of presets.
pub fn compile_all(group: &GroupName, texts: &Texts) -> Result<Compiled, Problems> {
    let Loaded { parts, policy } = load(group, texts)?;
    let mut problems = Vec::new();
    let mut warnings = warnings::all(&parts, &policy);
    for part in parts.iter().filter(|part| part.is_the_groups()) {
        let failed = part.file.tests.iter().filter_map(|test| test_run::problem(test, &part.text, &policy));
        let (rejects, warns): (Vec<_>, Vec<_>) = failed.partition(|(is_wider, _)| *is_wider);
        problems.extend(rejects.into_iter().map(|(_, problem)| problem));
        warnings.extend(warns.into_iter().map(|(_, problem)| problem.into_warning()));
    }
    if !problems.is_empty() {
        return Err(Problems::sorted(problems));
    }
    Ok(Compiled { policy, warnings: Problems::sorted(warnings) })
}

/// Runs the tests of a file and of `base`, and reports each, including those that pass.
pub fn run_tests(group: &GroupName, texts: &Texts) -> Result<Vec<TestReport>, Problems> {
    let Loaded { parts, policy } = load(group, texts)?;
    let own = parts.iter().filter(|part| part.is_the_groups());
    let tests = own.flat_map(|part| part.file.tests.iter().map(move |test| (part, test)));
    Ok(tests.map(|(part, test)| test_run::report(test, &part.text, &policy)).collect())
}

/// Compiles a skill's policy alone. Its tests must pass.
pub fn skill_alone(group: &GroupName, skill: &Source) -> Result<Compiled, Problems> {
    let file = Source { name: format!("policies/{group}.toml"), text: String::new() };
    let Loaded { parts, policy } = load(group, &Texts { skills: vec![skill.clone()], ..Texts::of(file) })?;
    let own = parts.iter().filter(|part| part.skill().is_some());
    let tests = own.flat_map(|part| part.file.tests.iter().map(|test| (test, &part.text)));
    let failed: Vec<_> = tests.filter_map(|(test, text)| test_run::problem(test, text, &policy)).collect();
    if failed.is_empty() {
        return Ok(Compiled { policy, warnings: Problems::default() });
    }
    Err(Problems::sorted(failed.into_iter().map(|(_, problem)| problem).collect()))
}

impl Texts {
    /// Only a group's file.
    pub fn of(file: Source) -> Self {
        Texts { file, base: None, presets: Vec::new(), skills: Vec::new() }
    }
}

/// The policy of a group without one: nothing is allowed.
pub fn deny_all(group: &GroupName) -> Policy {
    Policy::new(group, PolicyHash::of(&[]), Rules::default(), (advise, TELLER))
}

/// A policy that is valid so far; its tests have not run.
struct Loaded {
    parts: Vec<Part>,
    policy: Policy,
}

fn load(group: &GroupName, texts: &Texts) -> Result<Loaded, Problems> {
    let mut problems = Vec::new();
    let mut parts = vec![read(&texts.file, Origin::Group, &mut problems)];
    parts.extend(used_presets(&parts[0], &texts.presets, &mut problems));
    parts.extend(texts.skills.iter().map(|skill| read_skill(skill, &mut problems)));
    problems.extend(skills::conflicts(&parts));
    parts.extend(texts.base.as_ref().map(|base| read(base, Origin::Base, &mut problems)));
    problems.extend(conflicts(&parts));
    if !problems.is_empty() {
        return Err(Problems::sorted(problems));
    }
    let policy = build(group, &parts);
    Ok(Loaded { parts, policy })
}

fn read(source: &Source, origin: Origin, problems: &mut Vec<Problem>) -> Part {
    let text = Text::new(&source.name, &source.text);
    let (file, wrong) = file::read(&text, &origin);
    problems.extend(wrong);
    Part { text, origin, file }
}

fn read_skill(skill: &Source, problems: &mut Vec<Problem>) -> Part {
    let source = Source { name: skill_file(&skill.name), text: skill.text.clone() };
    read(&source, Origin::Skill(skill.name.as_str().into()), problems)
}

fn used_presets(own: &Part, instead: &[Source], problems: &mut Vec<Problem>) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    for (span, name) in &own.file.uses {
        let taken = instead.iter().find(|preset| preset.name == *name).map(|preset| preset.text.as_str());
        let Some(text) = presets::get(name).map(|shipped| taken.unwrap_or(shipped)) else {
            let error = unknown_preset(name);
            problems.push(Problem::new(&own.text, span.clone(), error.message, error.help));
            continue;
        };
        let source = Source { name: format!("preset {name}"), text: text.to_owned() };
        // A preset named twice is used once.
        if parts.iter().all(|part| *part.text.name != *source.name) {
            parts.push(read(&source, Origin::Preset(name.as_str().into()), problems));
        }
    }
    parts
}

fn unknown_preset(name: &str) -> PatternError {
    let known = presets::names();
    let help = match did_you_mean(name, known.iter().copied()) {
        Some(meant) => format!("did you mean \"{meant}\"?"),
        None => format!("presets are: {}", known.join(", ")),
    };
    PatternError::new(format!("there is no preset {name:?}"), Some(help))
}

/// Finds pairs of allows that put different credentials on the same request. Goes through the parts
/// from last to first, so that the problem points into the group's own file if one of the two is
/// there.
fn conflicts(parts: &[Part]) -> Vec<Problem> {
    let mut seen: HashMap<Asked<'_>, Vec<&AllowRule>> = HashMap::new();
    let mut problems = Vec::new();
    for part in parts.iter().rev() {
        for (span, rule) in part.file.allows.iter().filter(|(_, rule)| rule.credential.is_some()) {
            let asked = rule.ports.iter().flat_map(|port| rule.requests.iter().map(move |request| (*port, request)));
            let asked: Vec<Asked<'_>> = asked.map(|(port, request)| (&rule.host, port, request.to_string())).collect();
            let earlier = asked.iter().filter_map(|asked| seen.get(asked)).flatten();
            let other = earlier
                .filter(|other| other.credential != rule.credential && other.query == rule.query && meet(other, rule))
                .min_by(|a, b| a.at.cmp(&b.at));
            if let Some(other) = other {
                let (this, that) = (rule.credential.as_deref(), other.credential.as_deref());
                let message = format!(
                    "this {} puts {} on a request on which {} puts {}",
                    summary::header(rule.leave),
                    this.unwrap_or_default(),
                    other.at,
                    that.unwrap_or_default()
                );
                let help = "keep one of them, or let them name different requests, or hours that never meet";
                let help = Some(help.to_owned());
                problems.push(Problem::new(&part.text, span.clone(), message, help));
            }
            for asked in asked {
                // One rule for each credential, query and hours is enough.
                let all = seen.entry(asked).or_default();
                let same = |other: &AllowRule| {
                    (&other.credential, &other.query, &other.hours) == (&rule.credential, &rule.query, &rule.hours)
                };
                if !all.iter().any(|other| same(other)) {
                    all.push(rule);
                }
            }
        }
    }
    problems
}

/// Whether both hold at some moment.
fn meet(one: &AllowRule, other: &AllowRule) -> bool {
    match (&one.hours, &other.hours) {
        (Some(one), Some(other)) => one.meet(other),
        _ => true,
    }
}

fn build(group: &GroupName, parts: &[Part]) -> Policy {
    let files = || parts.iter().map(|part| &part.file);
    let rules = Rules {
        allows: files().flat_map(|file| file.allows.iter().map(|(_, rule)| rule.clone())).collect(),
        tunnels: files().flat_map(|file| file.tunnels.iter().map(|(_, rule)| rule.clone())).collect(),
        denies: files().flat_map(|file| file.denies.iter().cloned()).collect(),
        asking: files().next().map_or_else(Asking::default, |own| own.asking.clone()),
        says: files().flat_map(|file| file.says.iter().cloned()).collect(),
        limits: files().fold(Limits::default(), |limits, file| limits.and(file.limits)),
        observe: files().find_map(|file| file.observe.clone()),
        blocks_lookalikes: files().any(|file| file.blocks_lookalikes),
    };
    let texts: Vec<_> = parts.iter().map(|part| (&*part.text.name, &*part.text.text)).collect();
    Policy::new(group, PolicyHash::of(&texts), rules, (advise, TELLER))
}
