//! The files that a compose file refers to.

use margo_types::DocumentPath;
use serde_json::{Map, Value};

use super::error::{ComposeFault, Role};
use super::interpolate::interpolate;

/// A file that a compose file refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reference {
    pub(super) role: Role,
    /// Where the compose file says so.
    pub(super) place: DocumentPath,
    /// The path as written.
    pub(super) path: String,
    /// The path with the defaults of its variables, if it is known.
    pub(super) resolved: Option<String>,
    /// Whether it may be absent.
    pub(super) is_optional: bool,
    /// What relative paths in the file are relative to, where the compose file says so.
    pub(super) project_directory: Option<String>,
}

/// Collects all references in a compose file, and faults for values of the wrong shape.
pub(super) fn collect(file: &str, document: &Value) -> (Vec<Reference>, Vec<ComposeFault>) {
    let mut collector = Collector {
        file,
        references: Vec::new(),
        faults: Vec::new(),
    };
    collector.document(document);
    (collector.references, collector.faults)
}

struct Collector<'a> {
    file: &'a str,
    references: Vec<Reference>,
    faults: Vec<ComposeFault>,
}

impl Collector<'_> {
    fn document(&mut self, document: &Value) {
        let root = DocumentPath::root();
        let Some(members) = self.map(document, &root) else {
            return;
        };
        self.each_map(members, "services", &root, Self::service);
        self.each_map(members, "configs", &root, |this, config, place| {
            this.file_member(Role::Config, config, place);
        });
        self.each_map(members, "secrets", &root, |this, secret, place| {
            this.file_member(Role::Secret, secret, place);
        });
        self.one_or_many(
            members.get("include"),
            &root.key("include"),
            |this, include, place| {
                this.include(include, place);
            },
        );
    }

    fn service(&mut self, service: &Map<String, Value>, place: &DocumentPath) {
        self.one_or_many(
            service.get("env_file"),
            &place.key("env_file"),
            |this, file, place| {
                this.env_file(file, place);
            },
        );
        let labels = place.key("label_file");
        self.one_or_many(service.get("label_file"), &labels, |this, file, place| {
            this.path(Role::LabelFile, file, place);
        });
        self.one_or_many(service.get("volumes"), &place.key("volumes"), Self::volume);
        match service.get("extends") {
            None | Some(Value::Null | Value::String(_)) => {}
            Some(extends) => {
                let place = place.key("extends");
                if let Some(members) = self.map(extends, &place) {
                    self.file_member(Role::Extends, members, &place);
                }
            }
        }
    }

    /// A path, or an object with `path` and `required` (true unless it says otherwise).
    fn env_file(&mut self, value: &Value, place: &DocumentPath) {
        let Value::Object(members) = value else {
            self.path(Role::EnvFile, value, place);
            return;
        };
        let is_optional = match members.get("required") {
            None => false,
            Some(Value::Bool(required)) => !required,
            Some(_) => {
                self.misshapen(place.key("required"), "true or false");
                false
            }
        };
        let path = members.get("path").unwrap_or(&Value::Null);
        if let Some(reference) = self.path(Role::EnvFile, path, &place.key("path")) {
            reference.is_optional = is_optional;
        }
    }

    /// A path, or an object whose `path` is one or several, of which the first gives the project directory.
    fn include(&mut self, value: &Value, place: &DocumentPath) {
        let Value::Object(members) = value else {
            self.included(value, place, None);
            return;
        };
        let directory = match members.get("project_directory") {
            None | Some(Value::Null) => first_of(members.get("path"))
                .and_then(interpolate)
                .map(|path| directory_of(&path).to_owned()),
            Some(Value::String(directory)) => {
                let known = interpolate(directory);
                if known.is_none() {
                    self.faults.push(ComposeFault::Variable {
                        file: self.file.to_owned(),
                        place: place.key("project_directory"),
                        role: Role::Include,
                        path: directory.clone(),
                    });
                }
                known
            }
            Some(_) => {
                self.misshapen(place.key("project_directory"), "a path");
                None
            }
        };
        self.one_or_many(
            members.get("path"),
            &place.key("path"),
            |this, path, place| {
                this.included(path, place, directory.clone());
            },
        );
        self.one_or_many(
            members.get("env_file"),
            &place.key("env_file"),
            |this, file, place| {
                this.path(Role::EnvFile, file, place);
            },
        );
    }

    fn included(&mut self, value: &Value, place: &DocumentPath, directory: Option<String>) {
        if let Some(reference) = self.path(Role::Include, value, place) {
            reference.project_directory = directory;
        }
    }

    /// `source:target[:mode]`, or an object with `type` and `source`. Only bind mounts have a path as source.
    fn volume(&mut self, value: &Value, place: &DocumentPath) {
        match value {
            Value::String(short) => {
                // With an unknown variable nobody can say what it is until it runs.
                let Some(short) = interpolate(short) else {
                    return;
                };
                let source = short.split_once(':').map(|(source, _)| source);
                if let Some(source) = source.filter(|source| source.starts_with(['.', '/', '~'])) {
                    self.push(Role::BindMount, source, place);
                }
            }
            Value::Object(members) => {
                if members.get("type").and_then(Value::as_str) == Some("bind")
                    && let Some(source) = members.get("source")
                {
                    self.path(Role::BindMount, source, &place.key("source"));
                }
            }
            _ => self.misshapen(place.clone(), "a text or an object"),
        }
    }

    /// The `file` of an object, if it has one.
    fn file_member(&mut self, role: Role, members: &Map<String, Value>, place: &DocumentPath) {
        match members.get("file") {
            None | Some(Value::Null) => {}
            Some(file) => {
                self.path(role, file, &place.key("file"));
            }
        }
    }

    fn path(&mut self, role: Role, value: &Value, place: &DocumentPath) -> Option<&mut Reference> {
        match value {
            // Remote resources (Git, OCI) are no files.
            Value::String(path) if role == Role::Include && is_remote(path) => None,
            Value::String(path) if !path.is_empty() => {
                self.push(role, path, place);
                self.references.last_mut()
            }
            _ => {
                self.misshapen(place.clone(), "a path");
                None
            }
        }
    }

    fn push(&mut self, role: Role, path: &str, place: &DocumentPath) {
        self.references.push(Reference {
            role,
            place: place.clone(),
            path: path.to_owned(),
            resolved: interpolate(path),
            is_optional: false,
            project_directory: None,
        });
    }

    fn each_map(
        &mut self,
        members: &Map<String, Value>,
        key: &str,
        place: &DocumentPath,
        each: impl Fn(&mut Self, &Map<String, Value>, &DocumentPath),
    ) {
        let place = place.key(key);
        let Some(value) = members.get(key).filter(|value| !value.is_null()) else {
            return;
        };
        for (name, member) in self.map(value, &place).into_iter().flatten() {
            let place = place.key(name);
            // `configs: {name: null}` is an object that takes all defaults.
            if !member.is_null()
                && let Some(member) = self.map(member, &place)
            {
                each(self, member, &place);
            }
        }
    }

    fn one_or_many(
        &mut self,
        value: Option<&Value>,
        place: &DocumentPath,
        each: impl Fn(&mut Self, &Value, &DocumentPath),
    ) {
        match value {
            None | Some(Value::Null) => {}
            Some(Value::Array(elements)) => {
                for (index, element) in elements.iter().enumerate() {
                    each(self, element, &place.index(index));
                }
            }
            Some(value) => each(self, value, place),
        }
    }

    fn map<'v>(
        &mut self,
        value: &'v Value,
        place: &DocumentPath,
    ) -> Option<&'v Map<String, Value>> {
        let map = value.as_object();
        if map.is_none() {
            self.misshapen(place.clone(), "a mapping");
        }
        map
    }

    fn misshapen(&mut self, place: DocumentPath, expected: &'static str) {
        self.faults.push(ComposeFault::Shape {
            file: self.file.to_owned(),
            place,
            expected,
        });
    }
}

fn first_of(value: Option<&Value>) -> Option<&str> {
    match value? {
        Value::Array(elements) => elements.first()?.as_str(),
        value => value.as_str(),
    }
}

/// Whether Compose fetches it. What has another scheme is a file, however odd its name is.
fn is_remote(path: &str) -> bool {
    let scheme = path.split_once("://").map(|(scheme, _)| scheme);
    scheme.is_some_and(|scheme| matches!(scheme, "git" | "http" | "https" | "oci" | "ssh"))
}

/// The directory of a path; empty for one without a slash.
pub(super) fn directory_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(directory, _)| directory)
}
