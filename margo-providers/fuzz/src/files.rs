//! What a crash, a full disk or a failing one leaves in the state directories.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};

use margo_conformance::corpus::input::{line, parts, replaced};
use margo_providers::Provider;
use margo_providers::compose::ComposeProvider;
use margo_providers::simulated::SimulatedProvider;
use serde_json::Value;

use super::cluster::World;
use super::deployment::{Archive, CHART, COMPOSE, ID, deployment};
use super::device::{Device, tree};
use super::engine::options;
use super::outcome::{call, check_error};

/// The first line is a provider, `compose`, `install`, `template` or `simulated`, and what is asked of it, one after the other:
/// `list`, `observe`, `apply`, `remove`; with `offline` before that its engine refuses whatever is to be brought up. The parts
/// after it say what is in the state directory:
///
/// ```text
/// file {id}/record.json       a file, with what follows as its content
/// dir {id}/web/work           a directory
/// link {id}/web/project/conf  a link to a directory elsewhere or, with any content, to a file
/// ```
///
/// with `{id}`, the archive of the component as `{archive}`, and its digest as `{digest}` and `{hex}`.
///
/// Whatever is there, every call ends, with a value or an error that names the file. Looking changes nothing, and nothing elsewhere
/// is ever touched. What was removed is gone. What is in `data` of the project directory stays through an `apply`, unless a record
/// that can be read says that the component was never complete.
pub fn files(bytes: &[u8]) {
    let machine = MACHINE.lock().unwrap_or_else(PoisonError::into_inner);
    let device = &machine.world.device;
    device.reset();
    let parts = parts(bytes);
    let (wishes, files) = parts.split_first().expect("at least one part");
    let wishes = String::from_utf8_lossy(wishes);
    let mut wishes = wishes.split_whitespace().peekable();
    let provider = wishes.next().unwrap_or_default();
    let is_simulated = provider == "simulated";
    let kind = if matches!(provider, "install" | "template") {
        "helm"
    } else {
        "compose"
    };
    machine.answer(wishes.next_if_eq(&"offline").is_some());
    fs::write(device.outside().join("precious"), "precious").expect("a file");
    place(
        files,
        if kind == "helm" { &CHART } else { &COMPOSE },
        device,
    );

    let elsewhere = tree(&device.outside());
    let opened = SimulatedProvider::in_directory(device.state());
    let provider: &dyn Provider = match (provider, &opened) {
        ("install", _) => &machine.world.install,
        ("template", _) => &machine.world.template,
        ("simulated", Ok(provider)) => provider,
        ("simulated", Err(error)) => {
            let (text, state) = (error.to_string(), device.state().display().to_string());
            return assert!(text.contains(&state), "{text} names no file");
        }
        _ => &machine.compose,
    };
    let is_compose = kind == "compose" && !is_simulated;
    for wish in wishes.take(MOST_WISHES) {
        let before = tree(&device.state());
        let outcome = device.run(call(provider, &deployment(kind), wish));
        let after = tree(&device.state());
        assert!(
            tree(&device.outside()) == elsewhere,
            "{wish} went elsewhere"
        );
        match wish {
            "apply" if is_compose => stays(&device.state(), &before, &after),
            "remove" if outcome.is_ok() => {
                is_gone(&device.state(), is_simulated, &after);
                let left = device.run(provider.list()).expect("a list");
                assert!(!left.iter().any(|id| id.to_string() == ID), "it is listed");
            }
            "list" | "observe" => assert!(before == after, "{wish} changed something"),
            _ => {}
        }
        assert!(!device.was_given_option(), "{wish} makes it an option");
        if let Err(error) = outcome {
            // It needs nothing of what is there.
            assert!(!is_compose || wish != "remove", "{error}");
            check_error(&error, &device.state());
        }
    }
}

/// A device with a provider of each kind.
struct Machine {
    world: World,
    compose: ComposeProvider,
}

impl Machine {
    /// Has the engines say what they do when nothing is wrong with them, or that they refuse.
    fn answer(&self, is_offline: bool) {
        let device = &self.world.device;
        let config = b"services: {web: {image: 'registry.example/web:1'}}";
        device.answer("docker config", config);
        device.answer("docker image", b"linux/amd64");
        if is_offline {
            device.answer("docker config fails", b"refused");
            device.answer("helm upgrade fails", b"Error: refused");
            device.answer("helm template fails", b"Error: refused");
        }
        self.world.answer(&[b"200 secrets?\n{\"items\": []}"]);
    }
}

static MACHINE: LazyLock<Mutex<Machine>> = LazyLock::new(|| {
    let world = World::new();
    let compose = world
        .device
        .run(ComposeProvider::detect(options(&world.device)));
    let compose = compose.expect("an engine");
    Mutex::new(Machine { world, compose })
});

/// Makes what the parts describe, as far as it can be made.
fn place(parts: &[&[u8]], archive: &Archive, device: &Device) {
    for part in parts.iter().take(MOST_FILES) {
        let (what, content) = line(part);
        let (kind, path) = what.split_once(' ').unwrap_or((what, ""));
        let path = path.replace("{id}", ID);
        let path = PathBuf::from(path.replace("{hex}", &archive.digest.to_hex()));
        let is_below = path
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        if !is_below || path.components().count() > DEEPEST {
            continue;
        }
        let path = device.state().join(path);
        if let Some(parent) = path.parent() {
            // Something else may be there.
            let _ = fs::create_dir_all(parent);
        }
        let digest = archive.digest.to_string();
        let content = replaced(content, "{digest}", digest.as_bytes());
        let content = replaced(&content, "{archive}", &archive.bytes);
        let _ = match kind {
            "dir" => fs::create_dir_all(&path),
            "link" => {
                let name = if content.is_empty() { "" } else { "precious" };
                std::os::unix::fs::symlink(device.outside().join(name), &path)
            }
            _ => fs::write(&path, content),
        };
    }
}

/// What containers wrote is there as before, unless it may go. Charts have their data on the cluster.
fn stays(state: &Path, before: &Tree, after: &Tree) {
    let home = state.join(ID);
    let record = before.get(&home.join("record.json"));
    if record.is_some_and(|record| may_go(record.as_deref().unwrap_or_default())) {
        return;
    }
    let data = home.join("web/project/data");
    for (path, bytes) in before.iter().filter(|(path, _)| path.starts_with(&data)) {
        assert!(after.get(path) == Some(bytes), "{} is lost", path.display());
    }
}

/// Whether a record says of itself that there is nothing to keep, or that the data came with an archive.
fn may_go(record: &[u8]) -> bool {
    let record: Value = serde_json::from_slice(record).unwrap_or_default();
    let is_new = |path| record.pointer(path) == Some(&Value::Bool(false));
    let members = record.pointer("/components/web/members");
    let mut members = members.and_then(Value::as_array).into_iter().flatten();
    is_new("/keep")
        || is_new("/components/web/keep")
        || members.any(|member| {
            member
                .as_str()
                .is_some_and(|member| member.starts_with("data"))
        })
}

fn is_gone(state: &Path, is_simulated: bool, after: &Tree) {
    let (home, file) = (state.join(ID), state.join(format!("{ID}.json")));
    let mut ours: Vec<&Path> = vec![&home];
    let unfinished = file.with_extension("new");
    if is_simulated {
        ours = vec![&file, &unfinished];
    }
    for path in after.keys() {
        let is_left = ours.iter().any(|ours| path.starts_with(ours));
        assert!(!is_left, "{} is left", path.display());
    }
}

type Tree = BTreeMap<PathBuf, Option<Vec<u8>>>;

const MOST_FILES: usize = 16;
const MOST_WISHES: usize = 4;
const DEEPEST: usize = 8;
