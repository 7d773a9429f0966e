//! Where a path leads: through re-exports and globs, to the files that define what it names.

use std::collections::BTreeSet;

use super::modules::Workspace;

/// What a path names.
#[derive(Debug, Default)]
pub struct Led {
    /// The modules that it goes through.
    pub modules: BTreeSet<usize>,
    /// The files of what it names, and of the modules on its way.
    pub files: BTreeSet<usize>,
    /// The files that define what it names.
    pub defining: BTreeSet<usize>,
    /// The modules that it names themselves.
    pub named: BTreeSet<usize>,
}

/// Imports that were followed already, so that two globs of each other end.
type Followed = BTreeSet<(usize, usize, String)>;

impl Workspace {
    /// Where a path leads from within a module. Nowhere: it is of another workspace, or a local name.
    pub fn led(&self, module: usize, path: &[String]) -> Option<Led> {
        let mut led = Led::default();
        self.follow(module, path, &mut led, &mut Followed::new()).then_some(led)
    }

    fn follow(&self, module: usize, path: &[String], led: &mut Led, followed: &mut Followed) -> bool {
        let Some((first, rest)) = path.split_first() else { return false };
        match first.as_str() {
            "crate" => self.walk(self.root(module), rest, led, followed),
            "self" | "super" => self.walk(module, path, led, followed),
            name => {
                let found = self.look_up(module, path, led, followed);
                // A function may have the name of a crate, and a module hides it.
                let library = self.libraries.get(name).filter(|_| !self.modules[module].children.contains_key(name));
                library.is_some_and(|root| self.walk(*root, rest, led, followed)) || found
            }
        }
    }

    fn root(&self, module: usize) -> usize {
        self.modules[module].parent.map_or(module, |parent| self.root(parent))
    }

    /// The rest of a path that has come to a module of ours.
    fn walk(&self, module: usize, path: &[String], led: &mut Led, followed: &mut Followed) -> bool {
        led.modules.insert(module);
        led.files.insert(self.modules[module].file);
        match path.split_first() {
            None => led.named.insert(module),
            Some((first, rest)) if first == "self" => return self.walk(module, rest, led, followed),
            Some((first, rest)) if first == "super" => {
                let parent = self.modules[module].parent.unwrap_or(module);
                return self.walk(parent, rest, led, followed);
            }
            Some(_) => self.look_up(module, path, led, followed),
        };
        true
    }

    /// A name may be several things at once: each counts.
    fn look_up(&self, module: usize, path: &[String], led: &mut Led, followed: &mut Followed) -> bool {
        let (name, rest) = (&path[0], &path[1..]);
        let scope = &self.modules[module];
        let mut found = false;
        if let Some(child) = scope.children.get(name) {
            found |= self.walk(*child, rest, led, followed);
        }
        if let Some(files) = scope.items.get(name) {
            led.modules.insert(module);
            led.files.extend(files);
            led.defining.extend(files);
            found = true;
        }
        for (index, (import, alias, _)) in scope.imports.iter().enumerate() {
            let matches = alias.as_ref().is_none_or(|alias| alias == name);
            // `use flow;` would lead to itself.
            if !matches || !followed.insert((module, index, name.clone())) {
                continue;
            }
            if alias.is_some() {
                let path: Vec<_> = import.iter().chain(rest).cloned().collect();
                found |= self.follow(module, &path, led, followed);
            } else {
                found |= self.through_glob(module, import, path, led, followed);
            }
        }
        found
    }

    fn through_glob(
        &self,
        module: usize,
        glob: &[String],
        path: &[String],
        led: &mut Led,
        followed: &mut Followed,
    ) -> bool {
        let (mut way, mut inside) = (Led::default(), Led::default());
        self.follow(module, glob, &mut way, followed);
        let mut found = false;
        for at in &way.named {
            found |= self.look_up(*at, path, &mut inside, followed);
        }
        if found {
            led.modules.extend(way.modules.into_iter().chain(inside.modules));
            led.files.extend(way.files.into_iter().chain(inside.files));
            led.defining.extend(inside.defining);
            led.named.extend(inside.named);
        }
        found
    }
}
