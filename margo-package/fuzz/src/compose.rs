//! Compose archives and bare compose files.

use std::io::Cursor;
use std::path::{Path, PathBuf};

use margo_package::archive::Durability;
use margo_package::compose::{ComposeArchive, ComposeSource};
use serde_json::Value;

use super::archives::check_extracted;
use super::check::{check_contents, check_error, limits, scratch};
use super::inputs::forms;

/// What is accepted can be unpacked, and has the files that Compose opens then, none of them outside; what must not be packed is not.
pub fn compose(data: &[u8]) {
    for packed in forms(data) {
        let mut archive = match ComposeArchive::open(Cursor::new(&*packed), limits()) {
            Ok(archive) => archive,
            Err(error) => {
                check_error(&error);
                continue;
            }
        };
        if archive.source() == ComposeSource::Archive {
            check_contents(archive.contents(), &packed);
        }
        let services = archive.compose()["services"].as_object();
        assert!(services.is_some_and(|services| !services.is_empty()));
        let place = tempfile::tempdir_in(scratch()).expect("a directory");
        let destination = place.path().join("destination");
        let project = archive.unpack(&destination, Durability::Cached);
        let project = project.expect("what was accepted is unpacked");
        check_extracted(archive.contents(), &destination);
        let top = project.canonicalize().expect("the directory");
        let file = project.join("compose.yaml").canonicalize();
        assert!(file.is_ok_and(|file| file.starts_with(&top) && file.is_file()));
        check_files(archive.compose(), &top);
    }
}

fn check_files(compose: &Value, top: &Path) {
    for service in members(&compose["services"]) {
        for file in one_or_many(&service["env_file"]) {
            let path = file.get("path").unwrap_or(file);
            check_packed(path, file["required"] != Value::Bool(false), top);
        }
        for file in one_or_many(&service["label_file"]) {
            check_packed(file, true, top);
        }
        check_packed(&service["extends"]["file"], true, top);
        for volume in one_or_many(&service["volumes"]) {
            let short = volume.as_str().and_then(|short| short.split(':').next());
            if let Some(short) = short.filter(|source| source.starts_with('.')) {
                check_absent(short, top);
            } else if volume["type"] == "bind" {
                check_absent(volume["source"].as_str().unwrap_or_default(), top);
            }
        }
    }
    for config in members(&compose["configs"]) {
        check_packed(&config["file"], true, top);
    }
    for secret in members(&compose["secrets"]) {
        check_absent(secret["file"].as_str().unwrap_or_default(), top);
    }
}

fn check_packed(path: &Value, is_required: bool, top: &Path) {
    let Some(path) = path.as_str().filter(|path| !path.contains('$')) else {
        return;
    };
    let place = opened(path, top).unwrap_or_else(|| panic!("{path:?} is outside"));
    match place.canonicalize() {
        Ok(file) => assert!(file.starts_with(top) && file.is_file(), "{path:?}"),
        Err(_) => assert!(!is_required, "{path:?} is not there"),
    }
}

fn check_absent(path: &str, top: &Path) {
    if path.contains('$') || path.is_empty() {
        return;
    }
    if let Some(place) = opened(path, top) {
        assert!(place.metadata().is_err(), "{path:?} is packed");
    }
}

/// What Compose opens: it takes `..` out of the text before the operating system sees it. `None` when that is outside.
fn opened(path: &str, top: &Path) -> Option<PathBuf> {
    if path.starts_with(['/', '~']) {
        return None;
    }
    let (root, directory) = (top.parent()?, top.file_name()?.to_str()?);
    let mut names = vec![directory];
    for name in path.split('/').filter(|name| !matches!(*name, "" | ".")) {
        match name {
            ".." => drop(names.pop()?),
            name => names.push(name),
        }
    }
    Some(root.join(names.join("/")))
}

fn members(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_object().into_iter().flat_map(|it| it.values())
}

fn one_or_many(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(elements) => elements.iter().collect(),
        value => vec![value],
    }
}
