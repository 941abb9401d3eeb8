//! Watching: a line of JSON for everything that happens.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use serde_json::{Value, json};
use tokio::sync::watch::Receiver;
use tokio::time::Instant;

use super::answer::shown;
use super::failure::Failure;
use super::objects::{Change, Event};
use super::operation::in_version;
use super::route::{Query, Target};
use super::selector::Selector;
use super::state::Shared;
use crate::server::AnswerBody;

/// Tells of what happens to the objects of a target.
pub(super) fn body(
    shared: &Arc<Shared>,
    target: Target,
    query: &Query,
    accept: &str,
) -> Result<AnswerBody, Failure> {
    let mut selector = Selector::parse(query)?;
    if let Some(name) = &target.name {
        selector = selector.and_name(name);
    }
    let limit = Duration::from_secs(query.number("timeoutSeconds").unwrap_or(300));
    let changes = shared.changes();
    let mut watch = Watch {
        changes,
        shared: Arc::clone(shared),
        target,
        selector,
        accept: accept.to_owned(),
        after: query.number("resourceVersion").unwrap_or(0),
        has_bookmarks: query.is("allowWatchBookmarks"),
        lines: String::new(),
        deadline: Instant::now() + limit,
        is_over: false,
    };
    // Without a version, a watch begins with what there is.
    if watch.after == 0 || query.is("sendInitialEvents") {
        watch.tell_what_there_is(query.is("sendInitialEvents"));
    }
    let frames = stream::unfold(watch, |mut watch| async move {
        let lines = watch.next().await?;
        Some((Ok::<_, io::Error>(Frame::data(Bytes::from(lines))), watch))
    });
    Ok(StreamBody::new(frames).boxed_unsync())
}

struct Watch {
    shared: Arc<Shared>,
    changes: Receiver<u64>,
    target: Target,
    selector: Selector,
    accept: String,
    after: u64,
    has_bookmarks: bool,
    /// What is to be told next.
    lines: String,
    deadline: Instant,
    is_over: bool,
}

impl Watch {
    /// The next lines; `None` when the time is over.
    async fn next(&mut self) -> Option<String> {
        loop {
            if !self.lines.is_empty() {
                return Some(std::mem::take(&mut self.lines));
            }
            if self.is_over {
                return None;
            }
            self.changes.borrow_and_update();
            self.read();
            if !self.lines.is_empty() {
                continue;
            }
            let change = tokio::time::timeout_at(self.deadline, self.changes.changed());
            match change.await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return None,
                Err(_) => {
                    self.is_over = true;
                    if self.has_bookmarks {
                        self.tell_bookmark(&json!({}));
                    }
                }
            }
        }
    }

    fn tell_what_there_is(&mut self, is_marked: bool) {
        let shared = Arc::clone(&self.shared);
        shared.look(|state| {
            let resource = &self.target.resource;
            let namespace = self.target.namespace.clone();
            let all = state
                .objects
                .list(&resource.group, &resource.plural, namespace.as_deref());
            let matching = all.filter(|(_, object)| self.selector.matches(object));
            let matching: Vec<Arc<Value>> =
                matching.map(|(_, object)| Arc::clone(object)).collect();
            self.after = state.objects.version();
            for object in matching {
                self.tell("ADDED", &object);
            }
        });
        if is_marked {
            self.tell_bookmark(&json!({ "k8s.io/initial-events-end": "true" }));
        }
    }

    fn read(&mut self) {
        let shared = Arc::clone(&self.shared);
        shared.look(|state| {
            let Some(events) = state.objects.events_after(self.after) else {
                self.line("ERROR", &Failure::expired().to_value());
                self.is_over = true;
                return;
            };
            for event in events {
                self.after = event.version;
                if let Some(kind) = self.meaning(event) {
                    self.tell(kind, &event.object);
                }
            }
        });
    }

    /// What an event is for those who see only what is selected.
    fn meaning(&self, event: &Event) -> Option<&'static str> {
        let (key, target) = (&event.key, &self.target);
        let is_meant = key.is(&target.resource.group, &target.resource.plural)
            && target
                .namespace
                .as_ref()
                .is_none_or(|it| *it == key.namespace);
        if !is_meant {
            return None;
        }
        let was = event
            .before
            .as_ref()
            .is_some_and(|before| self.selector.matches(before));
        let is = event.change != Change::Deleted && self.selector.matches(&event.object);
        match (was, is) {
            (false, true) => Some("ADDED"),
            (true, true) => Some("MODIFIED"),
            (true, false) => Some("DELETED"),
            (false, false) => None,
        }
    }

    fn tell(&mut self, kind: &str, object: &Arc<Value>) {
        let object = in_version(object, &self.target.resource);
        self.line(kind, &shown(&object, &self.accept));
    }

    fn tell_bookmark(&mut self, annotations: &Value) {
        let resource = &self.target.resource;
        let object = json!({
            "kind": resource.kind,
            "apiVersion": resource.api_version(),
            "metadata": {
                "resourceVersion": self.after.to_string(),
                "annotations": annotations,
            },
        });
        self.line("BOOKMARK", &shown(&Arc::new(object), &self.accept));
    }

    fn line(&mut self, kind: &str, object: &Value) {
        self.lines += &json!({ "type": kind, "object": object }).to_string();
        self.lines.push('\n');
    }
}
