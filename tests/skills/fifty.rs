//! Fifty made-up skills with needs that overlap, added, updated, changed behind everybody's back and removed at random on
//! one home: at each step the reach of each group is the union of its own policy and of what was accepted for it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use doorward::gateway::policy_files::PolicyFiles;
use policies::{Facts, GroupName, Moment, Policy, Verdict};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tempfile::TempDir;

use crate::support::Home;

const SKILLS: usize = 50;
const HOSTS: usize = 4;
const PATHS: usize = 5;
const GROUPS: [&str; 2] = ["family", "work"];

/// One need of a skill, or of a group's own file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Need {
    does: Does,
    host: usize,
    path: usize,
    credential: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Does {
    Allow,
    Ask,
    Deny,
}

#[derive(Clone, Debug)]
enum Step {
    Add { skill: usize, group: usize },
    Change { skill: usize, needs: Vec<Need> },
    Update { skill: usize, group: usize, yes: bool },
    Remove { skill: usize, group: usize },
}

impl Need {
    fn request(self) -> (usize, usize) {
        (self.host, self.path)
    }

    fn text(self) -> String {
        let Need { does, host, path, credential } = self;
        let header = match does {
            Does::Allow => "allow",
            Does::Ask => "ask",
            Does::Deny => "deny",
        };
        let mut text = format!("[[{header}]]\nhost = \"h{host}.example.org\"\ndo = [\"GET /p{path}\"]\n");
        if let Some(credential) = credential {
            let _ = writeln!(text, "credential = \"key-{credential}\"");
        }
        text
    }
}

fn texts(needs: &[Need]) -> String {
    needs.iter().map(|need| need.text() + "\n").collect()
}

/// What becomes of a request, by what was written down of it alone.
fn by_hand(needs: &[&Need], request: (usize, usize)) -> (Does, Option<usize>) {
    let about: Vec<_> = needs.iter().filter(|need| need.request() == request).collect();
    let has = |does| about.iter().any(|need| need.does == does);
    let does = match (has(Does::Deny), has(Does::Ask), has(Does::Allow)) {
        (true, ..) | (false, false, false) => return (Does::Deny, None),
        (false, true, _) => Does::Ask,
        (false, false, true) => Does::Allow,
    };
    (does, about.iter().find_map(|need| need.credential))
}

fn judged(policy: &Policy, (host, path): (usize, usize)) -> (Does, Option<usize>) {
    let facts = Facts::parse("GET", &format!("https://h{host}.example.org/p{path}")).unwrap();
    let number = |name: &str| name.strip_prefix("key-").unwrap().parse().unwrap();
    match policy.at(Moment::FAR).decide(facts) {
        Verdict::Allow(permit) => (Does::Allow, permit.credential().map(|name| number(name))),
        Verdict::Ask(ask) => (Does::Ask, ask.terms().credential().map(|name| number(name))),
        Verdict::Deny(..) => (Does::Deny, None),
    }
}

/// Whether two put different credentials on one request.
fn clash(needs: &[&Need]) -> bool {
    needs.iter().any(|one| {
        let other = |other: &&&Need| {
            other.request() == one.request() && other.credential.is_some() && other.credential != one.credential
        };
        one.credential.is_some() && needs.iter().any(|need| other(&need))
    })
}

fn need() -> impl Strategy<Value = Need> {
    let does = prop_oneof![3 => Just(Does::Allow), 1 => Just(Does::Ask)];
    (does, 0..HOSTS, 0..PATHS, proptest::option::weighted(0.4, 0..2_usize))
        .prop_map(|(does, host, path, credential)| Need { does, host, path, credential })
}

/// Needs of one skill, which do not clash with themselves.
fn needs() -> impl Strategy<Value = Vec<Need>> {
    proptest::collection::vec(need(), 0..4).prop_map(|mut needs| {
        let mut seen = BTreeMap::new();
        needs.retain(|need| seen.insert(need.request(), ()).is_none());
        needs
    })
}

fn step() -> impl Strategy<Value = Step> {
    let (skill, group) = (|| 0..SKILLS, || 0..GROUPS.len());
    prop_oneof![
        4 => (skill(), group()).prop_map(|(skill, group)| Step::Add { skill, group }),
        2 => (skill(), needs()).prop_map(|(skill, needs)| Step::Change { skill, needs }),
        2 => (skill(), group(), any::<bool>()).prop_map(|(skill, group, yes)| Step::Update { skill, group, yes }),
        2 => (skill(), group()).prop_map(|(skill, group)| Step::Remove { skill, group }),
    ]
}

/// A home, and what ought to be so.
struct World {
    home: Home,
    folders: TempDir,
    own: [Vec<Need>; 2],
    /// What stands in the folders.
    found: Vec<Vec<Need>>,
    /// What was accepted, by group and skill.
    accepted: BTreeMap<(usize, usize), Vec<Need>>,
}

impl World {
    fn new(made_up: &[Vec<Need>]) -> Self {
        let deny = Need { does: Does::Deny, host: 0, path: 0, credential: None };
        let ask = Need { does: Does::Ask, host: 0, path: 1, credential: None };
        let key = Need { does: Does::Allow, host: 1, path: 0, credential: Some(0) };
        let own = [vec![deny, ask, key], Vec::new()];
        let mut home = Home::without_engine();
        for (group, needs) in GROUPS.iter().zip(&own) {
            home = home.group(group).policy(group, &texts(needs));
        }
        let world =
            World { home, folders: TempDir::new().unwrap(), own, found: made_up.to_vec(), accepted: BTreeMap::new() };
        (0..SKILLS).for_each(|skill| world.write(skill));
        world
    }

    fn folder(&self, skill: usize) -> PathBuf {
        self.folders.path().join(format!("skill-{skill}"))
    }

    fn write(&self, skill: usize) {
        let folder = self.folder(skill);
        fs::create_dir_all(&folder).unwrap();
        let head = format!("---\nname: skill-{skill}\ndescription: A made-up skill. Use it in a test.\n---\n");
        fs::write(folder.join("SKILL.md"), head).unwrap();
        fs::write(folder.join("policy.toml"), texts(&self.found[skill])).unwrap();
    }

    /// All needs of a group, with those of a skill in the place of what it has of it.
    fn with(&self, group: usize, skill: usize, needs: &[Need]) -> Vec<Need> {
        let others = self.accepted.iter().filter(|((of, name), _)| *of == group && *name != skill);
        let all = self.own[group].iter().chain(others.flat_map(|(_, needs)| needs)).chain(needs);
        all.copied().collect()
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Change { skill, ref needs } => {
                self.found[skill].clone_from(needs);
                self.write(skill);
            }
            Step::Add { skill, group } => {
                let folder = self.folder(skill).display().to_string();
                let ran = self.home.run(&["skill", "add", &folder, "--group", GROUPS[group], "--yes"]);
                let all = self.with(group, skill, &self.found[skill]);
                let fits = !self.accepted.contains_key(&(group, skill)) && !clash(&all.iter().collect::<Vec<_>>());
                let ran = ran.code(i32::from(!fits));
                if fits {
                    self.accepted.insert((group, skill), self.found[skill].clone());
                } else {
                    ran.says(&format!(
                        "skill{}{skill}",
                        if self.accepted.contains_key(&(group, skill)) { " skill-" } else { ":skill-" }
                    ));
                }
            }
            Step::Update { skill, group, yes } => {
                let name = format!("skill-{skill}");
                let mut args = vec!["skill", "update", &name, "--group", GROUPS[group]];
                args.extend(yes.then_some("--yes"));
                let ran = self.home.run(&args);
                let all = self.with(group, skill, &self.found[skill]);
                let Some(before) = self.accepted.get(&(group, skill)).cloned() else {
                    ran.code(1);
                    return;
                };
                let clashes = clash(&all.iter().collect::<Vec<_>>());
                match ran.code {
                    Some(0) => {
                        assert!(!clashes);
                        let more = self.found[skill].iter().any(|need| !before.contains(need));
                        assert!(yes || !more, "{name} has got more than was accepted without a yes");
                        self.accepted.insert((group, skill), self.found[skill].clone());
                    }
                    _ => assert!(clashes || !yes, "{ran:?}"),
                }
            }
            Step::Remove { skill, group } => {
                let ran = self.home.run(&["skill", "remove", &format!("skill-{skill}"), "--group", GROUPS[group]]);
                ran.code(i32::from(self.accepted.remove(&(group, skill)).is_none()));
            }
        }
    }

    /// Each group may do what its own file and what was accepted say together, and nothing beside.
    fn holds(&self) {
        let home = doorward::home::Home::at(self.home.path()).unwrap();
        for (at, group) in GROUPS.iter().enumerate() {
            let compiled = PolicyFiles::compile(&home, &GroupName::parse(group).unwrap());
            let policy = compiled.unwrap_or_else(|error| panic!("{error}")).policy;
            let needs = self.with(at, SKILLS, &[]);
            let needs: Vec<_> = needs.iter().collect();
            for request in (0..HOSTS).flat_map(|host| (0..PATHS).map(move |path| (host, path))) {
                assert_eq!(judged(&policy, request), by_hand(&needs, request), "{group}: {request:?}");
            }
            let rules = policy.rules();
            assert_eq!(rules.allows.len() + rules.denies.len(), needs.len(), "{group} has a rule that nobody accepted");
        }
    }
}

#[test]
fn the_reach_of_a_group_is_the_union_of_what_was_accepted() {
    let mut runner =
        TestRunner::new(Config { cases: 3, max_shrink_iters: 20, failure_persistence: None, ..Config::default() });
    let made_up = proptest::collection::vec(needs(), SKILLS);
    let steps = proptest::collection::vec(step(), 80..120);
    let all_at_once: Vec<_> = (0..SKILLS).map(|skill| Step::Add { skill, group: skill % 2 }).collect();
    runner
        .run(&(made_up, steps), |(made_up, steps)| {
            let mut world = World::new(&made_up);
            for step in all_at_once.iter().chain(&steps) {
                world.take(step);
                world.holds();
            }
            Ok(())
        })
        .unwrap();
}
