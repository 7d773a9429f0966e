//! The modules of a workspace, as its files declare them: the one reading that circles, floors
//! and sums share.

use std::collections::{BTreeMap, BTreeSet};

use super::reading::{Path, Reader, Said};
use super::shipped::shipped;

/// Every file of a tree that counts here, by its path.
pub type Tree = BTreeMap<String, String>;

/// All crates of a workspace.
#[derive(Default)]
pub struct Workspace {
    pub files: Vec<File>,
    pub modules: Vec<Module>,
    /// The root module of each library, by the name that others import.
    pub libraries: BTreeMap<String, usize>,
    /// Each macro of the workspace: its file, and the traits that it implements where it is called.
    pub macros: BTreeMap<String, Vec<(usize, Vec<Path>)>>,
    /// What could not be read.
    pub problems: Vec<String>,
    with_tests: bool,
}

/// One file, of what ships.
pub struct File {
    pub path: String,
    /// Without what is for tests.
    pub text: String,
    /// The root of a library declares its modules as a table of contents does.
    pub is_contents: bool,
    /// Of its package.
    pub build_script: Option<usize>,
    /// What it says of others: the module that it says it in, the line, and what.
    pub said: Vec<(usize, usize, Said)>,
    /// Files that it declares or includes.
    pub children: Vec<(usize, usize)>,
    /// Files that it embeds and that are no code.
    pub data: BTreeSet<String>,
}

/// One module, whether a file of its own or not.
pub struct Module {
    pub path: Path,
    pub parent: Option<usize>,
    pub file: usize,
    pub children: BTreeMap<String, usize>,
    /// Names that are defined in it, and in which files.
    pub items: BTreeMap<String, BTreeSet<usize>>,
    /// Its imports: path, name (none of a glob), whether it is a re-export.
    pub imports: Vec<(Path, Option<String>, bool)>,
    /// The folder of what it declares.
    folder: String,
}

impl Workspace {
    /// Reads the workspace whose manifest is at the top: of its files, what ships.
    pub fn read(tree: &Tree) -> Self {
        Workspace::default().filled(tree)
    }

    /// The same with what is behind `#[cfg(test)]`.
    pub fn with_tests(tree: &Tree) -> Self {
        Workspace { with_tests: true, ..Workspace::default() }.filled(tree)
    }

    /// The folder of each crate's files, and its name.
    pub fn crates(&self) -> Vec<(String, &str)> {
        let roots = self.modules.iter().filter(|module| module.parent.is_none());
        roots.map(|root| (root.folder.clone(), root.path[0].as_str())).collect()
    }

    fn filled(mut self, tree: &Tree) -> Self {
        members(tree).iter().for_each(|folder| self.package(tree, folder));
        self
    }

    fn package(&mut self, tree: &Tree, folder: &str) {
        let within = |path: &str| if folder == "." { path.to_owned() } else { format!("{folder}/{path}") };
        let Some(manifest) = tree.get(&within("Cargo.toml")) else {
            self.problems.push(format!("{folder}: a member without a Cargo.toml"));
            return;
        };
        let before = self.files.len();
        let name = package_name(manifest).replace('-', "_");
        let build = tree.get(&within("build.rs")).map(|_| self.krate(tree, "build", &within("build.rs")));
        if tree.contains_key(&within("src/lib.rs")) {
            let root = self.krate(tree, &name, &within("src/lib.rs"));
            let file = self.modules[root].file;
            self.files[file].is_contents = true;
            self.libraries.insert(name.clone(), root);
        }
        let programs = within("src/bin/");
        let is_program =
            |path: &&String| **path == within("src/main.rs") || (path.starts_with(&programs) && path.ends_with(".rs"));
        let programs: Vec<_> = tree.keys().filter(is_program).cloned().collect();
        for path in programs {
            self.krate(tree, &format!("{name}-bin"), &path);
        }
        for file in &mut self.files[before..] {
            file.build_script = build.map(|module| self.modules[module].file);
        }
    }

    fn krate(&mut self, tree: &Tree, name: &str, path: &str) -> usize {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
        let module = self.module(vec![name.to_owned()], None, folder);
        self.load(tree, module, path);
        module
    }

    fn module(&mut self, path: Path, parent: Option<usize>, folder: String) -> usize {
        let (children, items, imports) = Default::default();
        let file = parent.map_or(0, |parent| self.modules[parent].file);
        self.modules.push(Module { path, parent, file, children, items, imports, folder });
        self.modules.len() - 1
    }

    /// Reads a file as (a part of) a module.
    fn load(&mut self, tree: &Tree, module: usize, path: &str) -> usize {
        let whole = tree.get(path).map_or("", String::as_str);
        let text = if self.with_tests { whole.to_owned() } else { shipped(whole) };
        let file = self.files.len();
        let (said, children, data) = Default::default();
        let (is_contents, build_script) = (false, None);
        let kept = text.clone();
        self.files.push(File { path: path.to_owned(), text: kept, is_contents, build_script, said, children, data });
        if self.modules[module].items.is_empty() && self.modules[module].imports.is_empty() {
            self.modules[module].file = file;
        }
        let reader = Reader::new(&text);
        self.take(tree, module, file, &reader, reader.whole());
        file
    }

    fn take(&mut self, tree: &Tree, module: usize, file: usize, reader: &Reader, range: std::ops::Range<usize>) {
        for (line, said) in reader.said(range) {
            let folder = self.files[file].path.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
            match said {
                Said::Declared { name, path } => self.declare(tree, module, file, line, &name, path),
                Said::Inline { name, inside } => {
                    let within = format!("{}/{name}", self.modules[module].folder);
                    let inner = self.child(module, &name, within);
                    self.modules[inner].file = file;
                    self.take(tree, inner, file, reader, inside);
                }
                Said::Include(path) => {
                    let path = joined(&folder, &path);
                    if tree.contains_key(&path) {
                        let included = self.load(tree, module, &path);
                        self.modules[module].file = file;
                        self.files[file].children.push((included, line));
                    } else {
                        self.problems
                            .push(format!("{}:{line}: includes {path}, which is not there", self.files[file].path));
                    }
                }
                Said::Generated => self.problems.push(format!(
                    "{}:{line}: includes what a build makes; make it a file of the tree, so that it is counted",
                    self.files[file].path
                )),
                Said::Data(path) => _ = self.files[file].data.insert(joined(&folder, &path)),
                Said::Item(name) => _ = self.modules[module].items.entry(name).or_default().insert(file),
                Said::Macro { name, implements } => self.macros.entry(name).or_default().push((file, implements)),
                said => {
                    if let Said::Import { path, name, public } = &said {
                        self.modules[module].imports.push((path.clone(), name.clone(), *public));
                    }
                    self.files[file].said.push((module, line, said));
                }
            }
        }
    }

    fn child(&mut self, module: usize, name: &str, folder: String) -> usize {
        let mut path = self.modules[module].path.clone();
        path.push(name.to_owned());
        let child = self.module(path, Some(module), folder);
        self.modules[module].children.insert(name.to_owned(), child);
        child
    }

    fn declare(&mut self, tree: &Tree, module: usize, file: usize, line: usize, name: &str, path: Option<String>) {
        let folder = self.modules[module].folder.clone();
        let beside = self.files[file].path.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
        let at = match path {
            Some(path) => vec![joined(&beside, &path)],
            None => vec![joined(&folder, &format!("{name}.rs")), joined(&folder, &format!("{name}/mod.rs"))],
        };
        let Some(at) = at.into_iter().find(|path| tree.contains_key(path)) else {
            self.problems.push(format!("{}:{line}: `mod {name}` has no file", self.files[file].path));
            return;
        };
        let child = self.child(module, name, joined(&folder, name));
        let loaded = self.load(tree, child, &at);
        self.modules[child].file = loaded;
        self.files[file].children.push((loaded, line));
    }
}

/// The folders of the workspace's members, as its manifest lists them.
pub fn members(tree: &Tree) -> Vec<String> {
    let manifest = tree.get("Cargo.toml").map_or("", String::as_str);
    let list = manifest.split_once("\nmembers = [").and_then(|(_, after)| after.split_once(']'));
    let names = list.map_or("", |(list, _)| list).split('"').skip(1).step_by(2);
    names.map(|name| name.trim_end_matches('/').to_owned()).collect()
}

fn package_name(manifest: &str) -> &str {
    let package = manifest.split_once("[package]").map_or("", |(_, after)| after);
    let name = package.split_once("name = \"").map_or("", |(_, after)| after);
    name.split('"').next().unwrap_or_default()
}

/// A path beside others, with `..` taken out.
fn joined(folder: &str, path: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            ".." => _ = parts.pop(),
            "." | "" => {}
            part => parts.push(part),
        }
    }
    parts.join("/")
}
