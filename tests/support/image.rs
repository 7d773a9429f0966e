//! An image of the owner's, removed from the engine with the test that has made it.

use super::{Home, Ran, docker};

/// What an image is called here: names are the engine's, which other tests use too.
pub struct Named {
    pub name: String,
}

impl Named {
    pub fn new(what: &str) -> Self {
        Named { name: format!("{what}-{}", std::process::id()) }
    }

    /// Writes one of its files.
    pub fn write(&self, home: &Home, file: &str, text: &str) {
        std::fs::write(home.at("images").join(&self.name).join(file), text).unwrap();
    }

    /// `doorward image build`
    #[track_caller]
    pub fn build(&self, home: &Home) -> Ran {
        let mut running = home.start(&["image", "build", &self.name]);
        // What is fetched and unpacked may be large.
        super::eventually_within(10 * super::PATIENCE, "the build to end", || (!running.is_running()).then_some(()));
        running.wait()
    }

    /// The name by which its fetches are judged.
    pub fn policy(&self) -> String {
        format!("image-{}", self.name)
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        docker::remove_images(&format!("doorward/{}", self.name));
    }
}
