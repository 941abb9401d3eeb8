//! Writes down what a provider tells of its progress.

use std::sync::Mutex;

use margo_providers::Progress;
use margo_types::id::ComponentName;
use margo_types::status::DeploymentState;

/// All that was told, such as `web installing`.
#[derive(Default)]
pub(crate) struct Told(Mutex<Vec<String>>);

impl Told {
    pub(crate) fn all(self) -> Vec<String> {
        self.0.into_inner().expect("the list")
    }
}

impl Progress for Told {
    fn component(&self, name: &ComponentName, state: DeploymentState) {
        let text = format!("{name} {}", state.as_str());
        self.0.lock().expect("the list").push(text);
    }
}
