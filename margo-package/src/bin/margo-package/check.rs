//! What `validate`, `lint`, `build` and `push` have in common: looking for problems.

mod component;
mod document;
mod package;

use margo_package::publish::ComponentKind;
use serde_json::{Value, json};

use crate::connection::Connection;
use crate::failure::Failure;
use crate::outcome::Outcome;
use crate::problems::Problems;
use crate::subject::{Address, Packed, Subject};

pub(crate) use self::package::directory;

/// What was looked at, and what is wrong with it.
#[derive(Debug)]
pub(crate) struct Checked {
    /// What messages call it.
    pub(crate) name: String,
    /// What it is, such as `application package`.
    pub(crate) kind: String,
    pub(crate) problems: Problems,
}

/// How much is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// What the specification forbids.
    Rules,
    /// Also what is not wise.
    Lint,
}

/// Looks for problems in whatever is there.
pub(crate) async fn anything(
    address: Address,
    connection: &Connection,
    depth: Depth,
) -> Result<Checked, Failure> {
    match address.open(connection).await? {
        Subject::Directory(path) => package::directory(&path, depth),
        Subject::Packed(path, Packed::Chart) => component::file(&path, ComponentKind::Helm),
        Subject::Packed(path, Packed::Compose) => component::file(&path, ComponentKind::Compose),
        Subject::File(path) => document::file(&path, depth),
        Subject::Layout(path, layout) => package::stored(layout.package(&path).await?, depth).await,
        Subject::Artefact(artefact) => {
            let manifest = artefact.store.pull_manifest(&artefact.reference).await?;
            match ComponentKind::of_manifest(&manifest) {
                Some(_) => component::stored(&artefact).await,
                None => package::stored(artefact, depth).await,
            }
        }
    }
}

impl Checked {
    pub(crate) fn new(name: impl Into<String>, kind: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            kind: kind.into(),
            problems: Problems::default(),
        }
    }

    /// The outcome of a command that only looks. Warnings count as errors if they are denied.
    pub(crate) fn into_outcome(self, denies_warnings: bool) -> Outcome {
        let is_good =
            self.problems.errors() == 0 && (self.problems.warnings() == 0 || !denies_warnings);
        Outcome::judged(is_good, self.to_text(), self.to_json())
    }

    fn to_text(&self) -> String {
        let judgement = if self.problems.errors() == 0 {
            "valid"
        } else {
            "not valid"
        };
        format!(
            "{}{}: {judgement} {}, {}\n",
            self.problems.to_text(),
            self.name,
            self.kind,
            self.problems.summary()
        )
    }

    fn to_json(&self) -> Value {
        json!({
            "subject": self.name,
            "kind": self.kind,
            "errors": self.problems.errors(),
            "warnings": self.problems.warnings(),
            "findings": self.problems.to_json(),
        })
    }
}
