//! What is asked of the API server.

use std::time::Duration;

use futures_util::{Stream, StreamExt};
use kube::Error;
use kube::api::{
    DeleteParams, GetParams, ListParams, LogParams, Patch, PatchParams, Preconditions,
    PropagationPolicy, ValidationDirective, WatchEvent, WatchParams,
};
use kube::core::Request;
use serde_json::Value;

use super::{Cluster, Kind};
use crate::helm::json::text;
use crate::helm::values::json_for_helm;

/// The objects of a kind at one moment.
#[derive(Clone, Debug, Default)]
pub(in crate::helm) struct Listed {
    pub(in crate::helm) objects: Vec<Value>,
    /// Where a watch goes on.
    pub(in crate::helm) version: String,
}

/// What happened to an object.
#[derive(Clone, Debug)]
pub(in crate::helm) enum Event {
    /// It is there, like this.
    There(Value),
    /// It is gone.
    Gone(Value),
}

/// Whether an object is written, and what for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::helm) enum Write {
    /// The server checks it and says what would come of it; nothing is changed.
    Try,
    /// A new object: whoever else sets one of its fields to another value is in the way.
    New,
    /// An object of ours: what others made of our fields is overwritten.
    Own,
}

impl Cluster {
    /// An object; `None` when there is none.
    pub(in crate::helm) async fn get(
        &self,
        kind: &Kind,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<Option<Value>, Error> {
        let request = of(kind, namespace).get(name, &GetParams::default());
        match self.ask(request).await {
            Ok(object) => Ok(Some(object)),
            Err(error) if is_not_found(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The objects with these labels, in one namespace or all.
    pub(in crate::helm) async fn list(
        &self,
        kind: &Kind,
        namespace: Option<&str>,
        labels: &str,
    ) -> Result<Listed, Error> {
        let list = of(kind, namespace);
        self.pages(kind, labels, |page| list.list(page)).await
    }

    /// The same, but of each object its `metadata` only.
    pub(in crate::helm) async fn list_metadata(
        &self,
        kind: &Kind,
        namespace: Option<&str>,
        labels: &str,
    ) -> Result<Listed, Error> {
        let list = of(kind, namespace);
        self.pages(kind, labels, |page| list.list_metadata(page))
            .await
    }

    async fn pages(
        &self,
        kind: &Kind,
        labels: &str,
        list: impl Fn(&ListParams) -> Result<http::Request<Vec<u8>>, kube::core::request::Error> + Send,
    ) -> Result<Listed, Error> {
        let mut listed = Listed::default();
        let mut page = ListParams::default().labels(labels).limit(PAGE);
        for _ in 0..PAGES {
            let mut answer: Value = self.ask(list(&page)).await?;
            if let Some(Value::Array(items)) = answer.get_mut("items") {
                listed
                    .objects
                    .extend(items.drain(..).map(|item| with_kind(item, kind)));
            }
            text(&answer, "/metadata/resourceVersion").clone_into(&mut listed.version);
            let next = text(&answer, "/metadata/continue");
            if next.is_empty() {
                return Ok(listed);
            }
            page.continue_token = Some(next.to_owned());
        }
        let objects = listed.objects.len();
        let message = format!("its list of all {} has no end after {objects}", kind.name);
        Err(Error::Service(message.into()))
    }

    /// The pods with the labels that a workload selects; none when it selects none by its labels.
    pub(in crate::helm) async fn pods_of(&self, workload: &Value) -> Result<Vec<Value>, Error> {
        let labels = workload
            .pointer("/spec/selector/matchLabels")
            .and_then(Value::as_object);
        let labels: Vec<String> = labels
            .into_iter()
            .flatten()
            .filter_map(|(label, value)| Some(format!("{label}={}", value.as_str()?)))
            .collect();
        if labels.is_empty() {
            return Ok(Vec::new());
        }
        let namespace = text(workload, "/metadata/namespace");
        let pods = self
            .list(&Kind::pod(), Some(namespace), &labels.join(","))
            .await?;
        Ok(pods.objects)
    }

    /// Applies an object on the side of the server. The object that comes, or would come, of it.
    pub(in crate::helm) async fn apply(
        &self,
        kind: &Kind,
        namespace: Option<&str>,
        object: &Value,
        manager: &str,
        write: Write,
    ) -> Result<Value, Error> {
        let name = object.pointer("/metadata/name").and_then(Value::as_str);
        let params = PatchParams {
            dry_run: write == Write::Try,
            force: write != Write::New,
            field_manager: Some(manager.to_owned()),
            // As Helm does: a misspelt field is an error, not nothing.
            field_validation: Some(ValidationDirective::Strict),
        };
        let request =
            of(kind, namespace).patch(name.unwrap_or_default(), &params, &Patch::Apply(object));
        // The server reads it as YAML, where some characters end lines or are not allowed.
        let body = json_for_helm(object).into_bytes();
        self.ask(request.map(|request| request.map(|_| body))).await
    }

    /// Has an object deleted after all that depends on it, if it still is the one with this `uid`. It may take its time; what
    /// nothing depends on goes at once, unless it is held.
    pub(in crate::helm) async fn delete(
        &self,
        kind: &Kind,
        namespace: Option<&str>,
        name: &str,
        uid: &str,
    ) -> Result<(), Error> {
        // In the foreground every object waits for the collector of garbage, which takes twenty or so a second.
        let propagation = if kind.owns_nothing() {
            PropagationPolicy::Background
        } else {
            PropagationPolicy::Foreground
        };
        let params = DeleteParams {
            propagation_policy: Some(propagation),
            preconditions: Some(Preconditions {
                uid: Some(uid.to_owned()),
                ..Preconditions::default()
            }),
            ..DeleteParams::default()
        };
        match self
            .ask::<Value>(of(kind, namespace).delete(name, &params))
            .await
        {
            Ok(_) => Ok(()),
            Err(error) if is_not_found(&error) => Ok(()),
            // There is another one of this name by now, which is not ours.
            Err(Error::Api(status)) if status.code == 409 => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// What happens to the objects with these labels after a list. Ends now and then; then they are listed again.
    pub(in crate::helm) async fn watch(
        &self,
        kind: &Kind,
        namespace: Option<&str>,
        labels: &str,
        version: &str,
    ) -> Result<impl Stream<Item = Result<Event, Error>> + use<>, Error> {
        let params = WatchParams::default().labels(labels).timeout(WATCH_SECONDS);
        let request = of(kind, namespace).watch(&params, version);
        let request = request.map_err(Error::BuildRequest)?;
        let events = in_time(self.client.request_events::<Value>(request)).await?;
        let kind = kind.clone();
        Ok(events.filter_map(move |event| {
            let event = match event {
                Ok(WatchEvent::Added(object) | WatchEvent::Modified(object)) => {
                    Some(Ok(Event::There(with_kind(object, &kind))))
                }
                Ok(WatchEvent::Deleted(object)) => Some(Ok(Event::Gone(with_kind(object, &kind)))),
                Ok(WatchEvent::Bookmark(_)) => None,
                Ok(WatchEvent::Error(status)) => Some(Err(Error::Api(status))),
                Err(error) => Some(Err(error)),
            };
            std::future::ready(event)
        }))
    }

    /// The last lines that a container wrote, in this run of it or the one before; `None` when they are not to be had.
    pub(in crate::helm) async fn last_words(
        &self,
        namespace: &str,
        pod: &str,
        container: &str,
        previous: bool,
    ) -> Option<String> {
        let params = LogParams {
            container: Some(container.to_owned()),
            previous,
            tail_lines: Some(LOG_LINES),
            limit_bytes: Some(LOG_BYTES),
            ..LogParams::default()
        };
        let request = of(&Kind::pod(), Some(namespace)).logs(pod, &params).ok()?;
        let text = in_time(self.client.request_text(request)).await.ok()?;
        let lines = crate::program::last_lines(&text, usize::try_from(LOG_LINES).unwrap_or(1));
        (!lines.is_empty()).then(|| lines.join("\n"))
    }

    async fn ask<T: serde::de::DeserializeOwned>(
        &self,
        request: Result<http::Request<Vec<u8>>, kube::core::request::Error>,
    ) -> Result<T, Error> {
        let request = request.map_err(Error::BuildRequest)?;
        in_time(self.client.request(request)).await
    }
}

/// Whether what was asked for is not there.
pub(in crate::helm) fn is_not_found(error: &Error) -> bool {
    matches!(error, Error::Api(status) if status.code == 404)
}

/// An answer within half a minute: a server that is cut off must hold nobody up.
pub(super) async fn in_time<T>(asked: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(answer) => answer,
        Err(_) => Err(Error::Service(
            format!("it did not answer within {} s", PATIENCE.as_secs()).into(),
        )),
    }
}

fn of(kind: &Kind, namespace: Option<&str>) -> Request {
    Request::new(kind.path(namespace))
}

/// Objects in lists come without their kind.
fn with_kind(mut object: Value, kind: &Kind) -> Value {
    if let Value::Object(members) = &mut object {
        members.insert("apiVersion".to_owned(), kind.api_version.clone().into());
        members.insert("kind".to_owned(), kind.name.clone().into());
    }
    object
}

const PAGE: u32 = 500;
/// One hundred thousand objects with our labels are on no cluster.
const PAGES: u32 = 200;
const WATCH_SECONDS: u32 = 240;
const PATIENCE: Duration = Duration::from_secs(30);
const LOG_LINES: i64 = 5;
const LOG_BYTES: i64 = 16 << 10;
