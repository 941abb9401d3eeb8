//! What is done with objects.

mod checks;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use serde_json::{Value, json};

use super::apply::{Applier, apply, note_update};
use super::defaults::set_defaults;
use super::document::{items, object_at, set, text, unset};
use super::failure::Failure;
use super::garbage::{self, Propagation};
use super::merge::{merge, merge_strategically, patch_by_steps};
use super::objects::Key;
use super::protobuf;
use super::resource::Resource;
use super::route::{Query, Target, Verb};
use super::schema::check_types;
use super::selector::Selector;
use super::state::State;
use super::validation;
use crate::request::RecordedRequest;

/// A request about objects.
pub(super) struct Operation<'a> {
    pub(super) state: &'a mut State,
    pub(super) request: &'a RecordedRequest,
    pub(super) query: &'a Query,
    pub(super) target: &'a Target,
}

/// The status and the body of an answer.
pub(super) type Done = Result<(StatusCode, Arc<Value>), Failure>;

impl Operation<'_> {
    /// Does it.
    pub(super) fn run(mut self) -> Done {
        let resource = Arc::clone(&self.target.resource);
        if self.request.body.len() > LARGEST_BODY {
            let why = format!("Request entity too large: limit is {LARGEST_BODY}");
            return Err(Failure::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "RequestEntityTooLarge",
                why,
            ));
        }
        match self.target.subresource.as_deref() {
            None | Some("status") => {}
            Some("finalize") if resource.plural == "namespaces" => {}
            Some("log") if resource.plural == "pods" => {
                self.found()?;
                return Ok((StatusCode::OK, Arc::new(Value::Null)));
            }
            Some(_) => return Err(Failure::no_such_path()),
        }
        match self.target.verb {
            Verb::Get => Ok((StatusCode::OK, in_version(&self.found()?, &resource))),
            Verb::List => self.list(),
            Verb::Create if resource.is_review() => self.review(),
            Verb::Create => self.create(&resource),
            Verb::Update => self.update(&resource),
            Verb::Patch => self.patch(&resource),
            Verb::Delete => self.delete(&resource),
            Verb::DeleteCollection => self.delete_collection(&resource),
            Verb::Watch => Err(Failure::method_not_allowed()),
        }
    }

    fn list(&self) -> Done {
        let (resource, selector) = (&self.target.resource, Selector::parse(self.query)?);
        let namespace = self.target.namespace.as_deref();
        let limit = self.query.number("limit").filter(|limit| *limit > 0);
        let limit = limit.map_or(usize::MAX, |limit| {
            usize::try_from(limit).unwrap_or(usize::MAX)
        });
        let after = match self.query.get("continue") {
            Some(token) => self.resume(token)?,
            None => Key::of(
                &resource.group,
                &resource.plural,
                namespace.unwrap_or_default(),
                "",
            ),
        };
        let all = self.state.objects.list_after(&after, namespace);
        let mut all = all.filter(|(_, object)| selector.matches(object));
        let (mut items, mut end) = (Vec::new(), None);
        for (key, object) in all.by_ref().take(limit) {
            let mut item = Value::clone(&in_version(object, resource));
            if resource.is_built_in {
                // The kind of a list says of what kind its items are.
                unset(&mut item, &[], "apiVersion");
                unset(&mut item, &[], "kind");
            }
            items.push(item);
            end = Some(key);
        }
        let remaining = all.count();
        let version = self.state.objects.version();
        let mut metadata = json!({ "resourceVersion": version.to_string() });
        if let (Some(last), 1..) = (end, remaining) {
            let token = json!([last.namespace, last.name]).to_string();
            metadata["continue"] = URL_SAFE_NO_PAD.encode(token).into();
            metadata["remainingItemCount"] = remaining.into();
        }
        let mut list = json!({
            "kind": format!("{}List", resource.kind),
            "apiVersion": resource.api_version(),
            "metadata": metadata,
        });
        set(&mut list, &[], "items", items);
        Ok((StatusCode::OK, Arc::new(list)))
    }

    /// The last object of the page before.
    fn resume(&self, token: &str) -> Result<Key, Failure> {
        let bad = || Failure::bad_request("continue key is not valid");
        let token = URL_SAFE_NO_PAD.decode(token).map_err(|_| bad())?;
        let (namespace, name): (String, String) =
            serde_json::from_slice(&token).map_err(|_| bad())?;
        let resource = &self.target.resource;
        Ok(Key::of(
            &resource.group,
            &resource.plural,
            &namespace,
            &name,
        ))
    }

    /// Whether somebody may do something: everybody may do the same.
    fn review(&self) -> Done {
        let mut review = self.body()?;
        let asked = &review["spec"]["resourceAttributes"];
        let is_denied = Verb::ALL.into_iter().any(|verb| {
            verb.as_str() == asked["verb"]
                && self
                    .state
                    .faults
                    .is_forbidden(verb, text(&asked["resource"]))
        });
        if let Some(review) = object_at(&mut review, &[]) {
            review.insert("status".to_owned(), json!({ "allowed": !is_denied }));
        }
        Ok((StatusCode::CREATED, Arc::new(review)))
    }

    fn create(&mut self, resource: &Resource) -> Done {
        let mut object = self.body()?;
        self.check_kind(&object)?;
        check_types(resource, &object)?;
        let metadata = &object["metadata"];
        if !text(&metadata["resourceVersion"]).is_empty() {
            return Err(Failure::bad_request(
                "resourceVersion should not be set on objects to be created",
            ));
        }
        let name = match (text(&metadata["name"]), text(&metadata["generateName"])) {
            ("", prefix) if !prefix.is_empty() => {
                format!("{prefix}{}", self.state.objects.version())
            }
            (name, _) => name.to_owned(),
        };
        set(&mut object, &["metadata"], "name", name.clone());
        self.check_place(resource, &object)?;
        let key = self.target.key(&name);
        if self.state.objects.get(&key).is_some() {
            return Err(Failure::already_exists(resource, &name));
        }
        for name in ["uid", "managedFields", "deletionTimestamp"] {
            unset(&mut object, &["metadata"], name);
        }
        if resource.has_status {
            unset(&mut object, &[], "status");
        }
        self.check_node_ports(resource, &object)?;
        set_defaults(&mut self.state.objects, resource, &mut object, None);
        validation::check(resource, &object)?;
        note_update(None, &mut object, &self.manager(), resource.is_built_in);
        Ok((StatusCode::CREATED, self.insert(key, object)))
    }

    /// A port of the nodes is one service's.
    fn check_node_ports(&self, resource: &Resource, object: &Value) -> Result<(), Failure> {
        if !resource.is_built_in || resource.kind != "Service" {
            return Ok(());
        }
        let name = text(&object["metadata"]["name"]);
        let own = self.target.key(name);
        let others = self.state.objects.list("", "services", None);
        let taken: Vec<&Value> = others
            .filter(|(key, _)| **key != own)
            .flat_map(|(_, service)| items(&service["spec"]["ports"]))
            .map(|port| &port["nodePort"])
            .filter(|port| port.is_u64())
            .collect();
        let ports = items(&object["spec"]["ports"]).enumerate();
        let mut ports = ports.filter(|(_, port)| taken.contains(&&port["nodePort"]));
        match ports.next() {
            Some((number, port)) => {
                let why = format!(
                    "spec.ports[{number}].nodePort: Invalid value: {}: provided port is already allocated",
                    port["nodePort"]
                );
                Err(Failure::invalid(resource, name, &[why]))
            }
            None => Ok(()),
        }
    }

    fn update(&mut self, resource: &Resource) -> Done {
        let (found, object) = (self.found()?, self.body()?);
        self.check_kind(&object)?;
        self.store(resource, &found, object)
    }

    fn patch(&mut self, resource: &Resource) -> Done {
        let media_type = self.request.header("content-type").unwrap_or_default();
        let media_type = media_type.split(';').next().unwrap_or_default().trim();
        if media_type == "application/apply-patch+yaml" {
            return self.apply(resource);
        }
        let (found, patch) = (self.found()?, self.body()?);
        let mut object = Value::clone(&in_version(&found, resource));
        match media_type {
            "application/merge-patch+json" => merge(&mut object, &patch),
            "application/json-patch+json" => {
                let done = patch_by_steps(&mut object, &patch);
                done.map_err(|why| Failure::invalid(resource, self.target.name(), &[why]))?;
            }
            "application/strategic-merge-patch+json" if resource.is_built_in => {
                merge_strategically(&mut object, &patch);
            }
            _ => {
                return Err(Failure::unsupported_media_type(
                    "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml",
                ));
            }
        }
        self.store(resource, &found, object)
    }

    /// Server-side apply.
    fn apply(&mut self, resource: &Resource) -> Done {
        let options = |why: &str| {
            let message = format!("PatchOptions.meta.k8s.io \"\" is invalid: {why}");
            Failure::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", message)
        };
        let manager = self.query.get("fieldManager");
        let manager = manager
            .ok_or_else(|| options("fieldManager: Required value: is required for apply patch"))?;
        if manager.len() > 128 {
            return Err(options(
                "fieldManager: Too long: may not be more than 128 bytes",
            ));
        }
        let by = Applier {
            manager,
            is_forced: self.query.is("force"),
            is_built_in: resource.is_built_in,
        };
        let mut applied = self.body()?;
        self.check_kind(&applied)?;
        check_types(resource, &applied)?;
        if applied["metadata"]["managedFields"]
            .as_array()
            .is_some_and(|it| !it.is_empty())
        {
            return Err(Failure::bad_request("metadata.managedFields must be nil"));
        }
        let name = self.target.name();
        set(&mut applied, &["metadata"], "name", name);
        self.check_place(resource, &applied)?;
        let key = self.target.key(name);
        let live = self.state.objects.get(&key).cloned();
        let live = live.map(|live| in_version(&live, resource));
        if resource.kind == "Secret" {
            super::defaults::encode_secret(&mut applied);
        }
        self.check_version(resource, live.as_deref(), &applied)?;
        let is_status = self.is_about_status();
        if is_status && live.is_none() {
            return Err(Failure::not_found(resource, name));
        }
        let mut object = apply(live.as_deref(), &applied, by)?;
        if is_status {
            object = Value::clone(live.as_deref().unwrap_or(&Value::Null));
            set(&mut object, &[], "status", applied["status"].clone());
        }
        self.check_node_ports(resource, &object)?;
        set_defaults(
            &mut self.state.objects,
            resource,
            &mut object,
            live.as_deref(),
        );
        validation::check(resource, &object)?;
        match live {
            Some(live) => self.keep(resource, &live, object),
            None => Ok((StatusCode::CREATED, self.insert(key, object))),
        }
    }

    /// Stores what an update or a patch made of an object.
    fn store(&mut self, resource: &Resource, found: &Value, mut object: Value) -> Done {
        check_types(resource, &object)?;
        let name = self.target.name();
        let named = text(&object["metadata"]["name"]);
        if named != name {
            return Err(Failure::bad_request(format!(
                "the name of the object ({named}) does not match the name on the URL ({name})"
            )));
        }
        self.check_namespace(&object)?;
        self.check_version(resource, Some(found), &object)?;
        if self.is_about_status() {
            let status = object["status"].take();
            object = found.clone();
            set(&mut object, &[], "status", status);
            return self.keep(resource, found, object);
        }
        set_defaults(&mut self.state.objects, resource, &mut object, Some(found));
        validation::check(resource, &object)?;
        // Nobody but the server says who owns what.
        let owned = found["metadata"]["managedFields"].clone();
        set(&mut object, &["metadata"], "managedFields", owned);
        note_update(
            Some(found),
            &mut object,
            &self.manager(),
            resource.is_built_in,
        );
        self.keep(resource, found, object)
    }

    /// Status is changed through its own path, and by nothing else.
    fn keep(&mut self, resource: &Resource, found: &Value, mut object: Value) -> Done {
        if resource.has_status && !self.is_about_status() {
            match found.get("status") {
                Some(status) => set(&mut object, &[], "status", status.clone()),
                None => unset(&mut object, &[], "status"),
            }
        }
        validation::check_change(resource, &object, found)?;
        if !self.is_dry_run() {
            let key = self.target.key(self.target.name());
            let kept = self.state.objects.replace(&key, object);
            let kept = kept.ok_or_else(|| Failure::not_found(resource, &key.name))?;
            return Ok((StatusCode::OK, kept));
        }
        Ok((StatusCode::OK, Arc::new(object)))
    }

    fn insert(&mut self, key: Key, object: Value) -> Arc<Value> {
        if self.is_dry_run() {
            return Arc::new(object);
        }
        self.state.objects.insert(key, object)
    }

    fn delete(&mut self, resource: &Resource) -> Done {
        let found = self.found()?;
        let options = self.options()?;
        for field in ["uid", "resourceVersion"] {
            let (wanted, is) = (&options["preconditions"][field], &found["metadata"][field]);
            if wanted.is_string() && wanted != is {
                let why = format!(
                    "the {field} in the precondition ({}) does not match the {field} in record ({}). The object might \
                     have been deleted and then recreated",
                    text(wanted),
                    text(is)
                );
                return Err(Failure::conflict(resource, self.target.name(), &why));
            }
        }
        let key = self.target.key(self.target.name());
        if key.is("", "namespaces") && matches!(key.name.as_str(), "default" | "kube-system") {
            let why = "this namespace may not be deleted";
            return Err(Failure::forbidden(resource, Some(&key.name), why));
        }
        if !self.is_dry_run() {
            let propagation = self.propagation(&options)?;
            garbage::delete(&mut self.state.objects, &key, propagation);
        }
        if let Some(left) = self.state.objects.get(&key) {
            return Ok((StatusCode::OK, in_version(left, resource)));
        }
        let details = json!({
            "name": key.name,
            "group": resource.group,
            "kind": resource.plural,
            "uid": found["metadata"]["uid"],
        });
        Ok((StatusCode::OK, success(&details)))
    }

    fn delete_collection(&mut self, resource: &Resource) -> Done {
        let selector = Selector::parse(self.query)?;
        let options = self.options()?;
        let propagation = self.propagation(&options)?;
        let namespace = self.target.namespace.as_deref();
        let all = self
            .state
            .objects
            .list(&resource.group, &resource.plural, namespace);
        let meant = all.filter(|(_, object)| selector.matches(object));
        let keys: Vec<_> = meant.map(|(key, _)| key.clone()).collect();
        if !self.is_dry_run() {
            for key in keys {
                garbage::delete(&mut self.state.objects, &key, propagation);
            }
        }
        Ok((StatusCode::OK, success(&json!({}))))
    }

    fn propagation(&self, options: &Value) -> Result<Propagation, Failure> {
        let policy = options["propagationPolicy"].as_str();
        let Some(policy) = policy.or_else(|| self.query.get("propagationPolicy")) else {
            return Ok(Propagation::default());
        };
        let unknown = || Failure::bad_request(format!("invalid propagationPolicy: {policy:?}"));
        Propagation::parse(policy).ok_or_else(unknown)
    }

    /// The options of a deletion, which need no body.
    fn options(&self) -> Result<Value, Failure> {
        if self.request.body.is_empty() {
            return Ok(Value::Null);
        }
        self.body()
    }

    fn is_dry_run(&self) -> bool {
        let in_body = || {
            self.target.verb == Verb::Delete
                && self
                    .options()
                    .is_ok_and(|options| options["dryRun"][0] == "All")
        };
        self.query.get("dryRun") == Some("All") || in_body()
    }

    fn is_about_status(&self) -> bool {
        self.target.subresource.as_deref() == Some("status")
    }

    fn found(&self) -> Result<Arc<Value>, Failure> {
        let name = self.target.name();
        let found = self.state.objects.get(&self.target.key(name)).cloned();
        found.ok_or_else(|| Failure::not_found(&self.target.resource, name))
    }

    fn body(&self) -> Result<Value, Failure> {
        let media_type = self.request.header("content-type").unwrap_or_default();
        if media_type.contains("protobuf") {
            let decoded = protobuf::decode(&self.request.body);
            return decoded.ok_or_else(|| Failure::unsupported_media_type("application/json"));
        }
        serde_json::from_slice(&self.request.body).map_err(|error| {
            let why = format!("error decoding the body (this server reads JSON only): {error}");
            Failure::bad_request(why)
        })
    }

    /// Who changes something without saying so: what its program calls itself.
    fn manager(&self) -> String {
        if let Some(manager) = self.query.get("fieldManager") {
            return manager.to_owned();
        }
        let agent = self.request.header("user-agent").unwrap_or("unknown");
        let name = agent.split('/').next();
        name.unwrap_or_default().to_owned()
    }
}

/// The object as this version of the API has it.
pub(super) fn in_version(object: &Arc<Value>, resource: &Resource) -> Arc<Value> {
    let api_version = resource.api_version();
    if object["apiVersion"] == api_version {
        return Arc::clone(object);
    }
    let mut object = Value::clone(object);
    set(&mut object, &[], "apiVersion", api_version);
    Arc::new(object)
}

fn success(details: &Value) -> Arc<Value> {
    Arc::new(json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": details,
    }))
}

/// In bytes.
const LARGEST_BODY: usize = 3 << 20;
