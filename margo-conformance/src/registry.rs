//! An OCI registry: the distribution specification 1.1, in memory, over plain HTTP.

mod answer;
mod content;
mod route;
mod uploads;

use std::fmt;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use self::content::Content;
use crate::request::RecordedRequest;
use crate::server::{Port, lock, serve_http};

/// A registry that begins empty and takes everything that is pushed.
///
/// It pulls and pushes manifests and blobs (whole, in chunks, in ranges, mounted from another repository), lists tags in
/// pages, and has the referrers API. What is pushed under a digest must have it, and a manifest's blobs must be there.
#[derive(Debug)]
pub struct Registry {
    port: Port,
    shared: Arc<Shared>,
}

impl Registry {
    /// Starts an open registry.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// Describes a registry with other than open access.
    pub fn builder() -> RegistryBuilder {
        RegistryBuilder::default()
    }

    /// `127.0.0.1:PORT`, what references to its artefacts begin with.
    pub fn host(&self) -> String {
        self.port.host()
    }

    /// Every request so far, in the order of their arrival.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        lock(&self.shared.requests).clone()
    }

    /// Cuts all connections and takes no others, as if it were down. Its content stays.
    pub async fn stop(&self) {
        self.port.close().await;
    }

    /// Serves again after [`stop`](Self::stop), on the same port.
    pub fn restart(&self) {
        self.port.open();
    }
}

/// What a registry should be like.
#[derive(Clone, Default)]
pub struct RegistryBuilder {
    /// The value that the header `Authorization` must have.
    authorization: Option<String>,
}

impl RegistryBuilder {
    /// Lets in only who knows this password, by HTTP basic authentication.
    #[must_use]
    pub fn credentials(mut self, user: &str, password: &str) -> Self {
        let encoded = STANDARD.encode(format!("{user}:{password}"));
        self.authorization = Some(format!("Basic {encoded}"));
        self
    }

    /// Starts it.
    pub async fn start(self) -> Registry {
        let shared = Arc::new(Shared {
            authorization: self.authorization,
            content: Mutex::default(),
            requests: Mutex::default(),
        });
        let served = Arc::clone(&shared);
        let handle = move |stream| {
            let shared = Arc::clone(&served);
            async move {
                serve_http(stream, |request| {
                    std::future::ready(answer::answer(&shared, &request))
                })
                .await;
            }
        };
        Registry {
            port: Port::listen(handle).await,
            shared,
        }
    }
}

impl fmt::Debug for RegistryBuilder {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter
            .debug_struct("RegistryBuilder")
            .field("is_open", &self.authorization.is_none())
            .finish_non_exhaustive()
    }
}

struct Shared {
    authorization: Option<String>,
    content: Mutex<Content>,
    requests: Mutex<Vec<RecordedRequest>>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter
            .debug_struct("Shared")
            .field("content", &self.content)
            .finish_non_exhaustive()
    }
}
