//! What a reader of some modules has to read as well: everything that they reach by import.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::modules::Workspace;
use super::reading::{Path, Said};

/// One way from a file to another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    pub to: usize,
    pub line: usize,
    pub by: String,
}

/// All ways of a workspace, by the file that they begin at.
pub struct Ways<'a> {
    pub workspace: &'a Workspace,
    from: Vec<Vec<Edge>>,
}

/// A file that is reached, and how: from another file at a line, or as a root.
#[derive(Clone, Debug, PartialEq)]
pub struct Reached {
    pub file: usize,
    pub from: Option<(usize, Edge)>,
}

impl<'a> Ways<'a> {
    /// Follows everything that every file says.
    pub fn of(workspace: &'a Workspace) -> Self {
        let mut ways = Ways { workspace, from: vec![Vec::new(); workspace.files.len()] };
        for (index, file) in workspace.files.iter().enumerate() {
            ways.structure(index);
            for (module, line, said) in &file.said {
                ways.said(index, *module, *line, said);
            }
        }
        for (file, edges) in ways.from.iter_mut().enumerate() {
            edges.retain(|edge| edge.to != file);
            let mut seen = BTreeSet::new();
            edges.sort_by_key(|edge| edge.line);
            edges.retain(|edge| seen.insert(edge.to));
        }
        ways
    }

    /// Where a file leads.
    pub fn from(&self, file: usize) -> &[Edge] {
        &self.from[file]
    }

    /// The files of a module and of all below it; of a crate, if it is one's name.
    pub fn within(&self, name: &str) -> Vec<usize> {
        let path: Path = name.split("::").map(str::to_owned).collect();
        let inside = self.workspace.modules.iter().filter(|module| module.path.starts_with(&path));
        let files: BTreeSet<_> = inside.map(|module| module.file).collect();
        files.into_iter().collect()
    }

    /// Everything that the roots reach and no boundary keeps out, and that was not read before: in the
    /// order of the roots, each followed by what it alone leads to, the nearest first.
    pub fn reached(&self, roots: &[String], left_out: &[String], read: BTreeSet<usize>) -> Vec<Reached> {
        let left_out = left_out.iter().flat_map(|name| self.left_out(name, roots));
        let outside: BTreeSet<usize> = left_out.chain(read).collect();
        let mut seen = outside.clone();
        seen.extend(roots.iter().flat_map(|root| self.within(root)));
        let (mut begun, mut order) = (outside, Vec::new());
        for root in roots {
            let mut waiting: VecDeque<_> = self.within(root).into_iter().filter(|file| begun.insert(*file)).collect();
            waiting.iter().for_each(|file| order.push(Reached { file: *file, from: None }));
            while let Some(at) = waiting.pop_front() {
                for edge in self.from(at).iter().filter(|edge| seen.insert(edge.to)) {
                    order.push(Reached { file: edge.to, from: Some((at, edge.clone())) });
                    waiting.push_back(edge.to);
                }
            }
        }
        order
    }

    /// What a boundary leaves out: all of the module but the roots inside of it.
    pub fn left_out(&self, boundary: &str, roots: &[String]) -> Vec<usize> {
        let inside = roots.iter().filter(|root| root.starts_with(&format!("{boundary}::")));
        let counted: BTreeSet<_> = inside.flat_map(|root| self.within(root)).collect();
        self.within(boundary).into_iter().filter(|file| !counted.contains(file)).collect()
    }

    /// What needs no name: modules that a module declares, what it includes, and its build script.
    fn structure(&mut self, index: usize) {
        let workspace = self.workspace;
        let file = &workspace.files[index];
        let is_module = |of: usize| workspace.modules.iter().any(|module| module.file == of);
        for (child, line) in file.children.iter().filter(|(child, _)| !file.is_contents || !is_module(*child)) {
            self.add(index, *child, *line, "a part of it");
        }
        if let Some(build) = file.build_script {
            self.add(index, build, 0, "its build script");
        }
    }

    fn said(&mut self, index: usize, module: usize, line: usize, said: &Said) {
        let is_contents = self.workspace.files[index].is_contents;
        match said {
            // What a crate hands on is reached by who asks for it.
            Said::Import { public: true, .. } if is_contents => {}
            Said::Import { path, name, .. } => {
                self.path(index, module, line, path);
                if name.is_none() {
                    self.glob(index, module, line, path);
                }
            }
            Said::Path(path) => self.path(index, module, line, path),
            Said::Impl { of, types } => self.implementation(index, module, line, of, types),
            Said::Call { name, paths } => self.call(index, module, line, name, paths),
            _ => {}
        }
    }

    fn path(&mut self, index: usize, module: usize, line: usize, path: &[String]) {
        if let Some(led) = self.workspace.led(module, path) {
            led.files.into_iter().for_each(|file| self.add(index, file, line, &path.join("::")));
        }
    }

    /// A glob of a crate asks for all that it hands on.
    fn glob(&mut self, index: usize, module: usize, line: usize, path: &[String]) {
        let named = self.workspace.led(module, path).map(|led| led.named).unwrap_or_default();
        for at in named.into_iter().filter(|at| self.workspace.files[self.workspace.modules[*at].file].is_contents) {
            for (path, ..) in self.workspace.modules[at].imports.clone() {
                self.path(index, at, line, &path);
            }
        }
    }

    /// An implementation is code of its trait, where that is ours; else of those of its types that are
    /// of the same crate, of which it needs one.
    fn implementation(&mut self, index: usize, module: usize, line: usize, of: &[Path], types: &[Path]) {
        let workspace = self.workspace;
        let krate = |module: usize| &workspace.modules[module].path[0];
        let defining = |path: &Path| workspace.led(module, path).unwrap_or_default();
        let by = match of.first() {
            Some(of) => {
                format!("impl {} for {}", of.join("::"), types.first().map_or(String::new(), |path| path.join("::")))
            }
            None => format!("impl {}", types.first().map_or(String::new(), |path| path.join("::"))),
        };
        let mut files = of.first().map(defining).unwrap_or_default().defining;
        if files.is_empty() {
            let ours = types.iter().chain(of).map(defining);
            let ours = ours.filter(|led| led.modules.iter().any(|at| krate(*at) == krate(module)));
            files = ours.flat_map(|led| led.defining).collect();
        }
        files.into_iter().for_each(|file| self.add(file, index, line, &by));
    }

    /// A macro is code of who calls it, and what it implements there is code of the trait.
    fn call(&mut self, index: usize, module: usize, line: usize, name: &str, paths: &[Path]) {
        let makers = self.workspace.macros.get(name).cloned().unwrap_or_default();
        for (maker, implements) in makers {
            self.add(index, maker, line, &format!("{name}!"));
            let home = self.workspace.modules.iter().position(|module| module.file == maker).unwrap_or(module);
            for of in implements {
                let led = self.workspace.led(home, &of).unwrap_or_default();
                let types = if led.defining.is_empty() { paths } else { &[] };
                led.defining
                    .into_iter()
                    .for_each(|file| self.add(file, index, line, &format!("impl {} by {name}!", of.join("::"))));
                self.implementation(index, module, line, &[], types);
            }
        }
    }

    fn add(&mut self, from: usize, to: usize, line: usize, by: &str) {
        self.from[from].push(Edge { to, line, by: by.to_owned() });
    }
}

/// The arrows of one crate: which of the modules at its top imports which, and the first place that does.
pub type Arrows = BTreeMap<(String, String), String>;

/// The arrows of a crate. Its root names every module and is none.
pub fn arrows(workspace: &Workspace, krate: &str) -> Arrows {
    let mut arrows = Arrows::new();
    for file in &workspace.files {
        let inside = file.said.iter().filter(|(module, ..)| workspace.modules[*module].parent.is_some());
        for (module, line, said) in inside {
            let (Said::Import { path, .. } | Said::Path(path)) = said else { continue };
            let top = |module: usize| workspace.modules[module].path.get(1).cloned();
            let own = &workspace.modules[*module].path;
            let Some(led) = workspace.led(*module, path).filter(|_| own[0] == krate) else { continue };
            let ours = led.modules.into_iter().filter(|module| workspace.modules[*module].path[0] == krate);
            for name in ours.filter_map(top).filter(|name| *name != own[1]) {
                arrows.entry((own[1].clone(), name)).or_insert_with(|| format!("{}:{line}", file.path));
            }
        }
    }
    arrows
}
