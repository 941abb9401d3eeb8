//! The Kubernetes API of the cluster, for both modes.
//!
//! Objects are JSON values: what is not known here is carried along unchanged. A request may take half a minute; `kube` itself
//! repeats those that the server asks to repeat (429, 503, 504).

mod kinds;
mod requests;
mod trouble;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use http_body_util::Limited;
use kube::client::ClientBuilder;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};
use tower::util::MapResponseLayer;

pub(super) use self::kinds::Kind;
pub(super) use self::requests::{Event, Write, is_not_found};
pub(super) use self::trouble::{TERMINATING, namespace_missing, trouble_with};
use super::options::Options;
use crate::error::with_causes;
use crate::files::blocking;
use crate::{ProviderError, Trouble};

/// A cluster. Clones share connections and what is known of its kinds.
#[derive(Clone)]
pub(super) struct Cluster {
    client: Client,
    /// The kinds that were asked for, by API version.
    kinds: Arc<Mutex<BTreeMap<String, BTreeMap<String, Kind>>>>,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
        formatter.debug_struct("Cluster").finish_non_exhaustive()
    }
}

impl Cluster {
    /// The cluster that the options name: that of their kubeconfig, else of `KUBECONFIG` or `~/.kube/config`, else the one
    /// this program runs in.
    ///
    /// Nothing is asked of it: it may come up later.
    ///
    /// # Errors
    /// [`Trouble::Device`] when the kubeconfig cannot be used, [`Trouble::Engine`] when there is none.
    pub(super) async fn connect(options: &Options) -> Result<Self, ProviderError> {
        let context = KubeConfigOptions {
            context: options.context.clone(),
            ..KubeConfigOptions::default()
        };
        let variable = options.environment.get("KUBECONFIG").map(PathBuf::from);
        let mut config = match options.kubeconfig.clone().or(variable) {
            Some(path) => read(path, &context).await,
            None => infer(&context).await,
        }?;
        // The proxy of the environment is for registries and fleet managers; a cluster on the other side of one says so itself.
        if config.proxy_url.is_some() && config.proxy_url == proxy_of_environment() {
            config.proxy_url = None;
        }
        let builder = ClientBuilder::try_from(config).map_err(|error| {
            let message = "the kubeconfig has credentials that cannot be used; write a new one";
            ProviderError::new(Trouble::Device, message).because(error)
        })?;
        let bounded = MapResponseLayer::new(|answer: http::Response<_>| {
            answer.map(|body| Limited::new(body, LONGEST_ANSWER))
        });
        let client = builder.with_layer(&bounded).build();
        Ok(Self {
            client,
            kinds: Arc::default(),
        })
    }

    /// The version of Kubernetes, such as `v1.34.1`, asked for now.
    ///
    /// # Errors
    /// As of every request: [`Trouble::Engine`] when it does not answer.
    pub(super) async fn version(&self) -> Result<String, ProviderError> {
        let version = requests::in_time(self.client.apiserver_version()).await;
        let version = version.map_err(|error| trouble_with(error, "the version of the cluster"))?;
        Ok(version.git_version)
    }
}

async fn read(path: PathBuf, options: &KubeConfigOptions) -> Result<Config, ProviderError> {
    let shown = path.display().to_string();
    let unusable = |error: KubeconfigError| unusable(&shown, error);
    let kubeconfig = blocking(move || Ok(Kubeconfig::read_from(path))).await?;
    let config = Config::from_custom_kubeconfig(kubeconfig.map_err(unusable)?, options).await;
    config.map_err(unusable)
}

/// What `kube` takes for the proxy when the kubeconfig names none.
fn proxy_of_environment() -> Option<http::Uri> {
    let variables = ["HTTPS_PROXY", "https_proxy"].into_iter();
    let mut proxies = variables.filter_map(|name| std::env::var(name).ok());
    let proxy = proxies.find(|proxy| !proxy.is_empty())?;
    proxy.parse().ok()
}

async fn infer(options: &KubeConfigOptions) -> Result<Config, ProviderError> {
    match Config::from_kubeconfig(options).await {
        Ok(config) => Ok(config),
        Err(KubeconfigError::FindPath | KubeconfigError::ReadConfig(..))
            if std::env::var_os("KUBECONFIG").is_none() && options.context.is_none() =>
        {
            Config::incluster().map_err(|error| {
                let message = "no cluster is configured: there is no kubeconfig, and this program does not run in a pod; name a kubeconfig in the options";
                ProviderError::new(Trouble::Engine, message).because(error)
            })
        }
        Err(error) => Err(unusable("KUBECONFIG or ~/.kube/config", error)),
    }
}

fn unusable(which: &str, error: KubeconfigError) -> ProviderError {
    let message = format!(
        "the kubeconfig ({which}) cannot be used: {}",
        with_causes(&error)
    );
    ProviderError::new(Trouble::Device, message).because(error)
}

/// Five hundred objects, as many as are asked for at once, have a few megabytes; all that a chart may render to has 16 MiB.
const LONGEST_ANSWER: usize = 64 << 20;

#[cfg(test)]
mod tests {
    use margo_package::oci;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    async fn connect(kubeconfig: &str, context: Option<&str>) -> Result<Cluster, ProviderError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kubeconfig");
        if !kubeconfig.is_empty() {
            std::fs::write(&path, kubeconfig).unwrap();
        }
        let client = oci::Client::builder().no_proxy().build().unwrap();
        let mut options = Options::new("state", client);
        options.kubeconfig = Some(path);
        options.context = context.map(str::to_owned);
        Cluster::connect(&options).await
    }

    const GOOD: &str = "{apiVersion: v1, kind: Config, current-context: a, \
        clusters: [{name: a, cluster: {server: 'http://127.0.0.1:1'}}], users: [{name: a, user: {}}], \
        contexts: [{name: a, context: {cluster: a, user: a}}]}";

    #[tokio::test]
    async fn kubeconfigs_that_cannot_be_used_are_named() {
        for (kubeconfig, context) in [
            ("", None),
            ("no: [kubeconfig", None),
            ("{apiVersion: v1, kind: Config}", None),
            (GOOD, Some("b")),
        ] {
            let error = connect(kubeconfig, context).await.unwrap_err();
            assert_eq!(error.trouble, Trouble::Device);
            let message = error.message;
            assert!(message.starts_with("the kubeconfig (/"), "{message}");
        }
    }

    #[tokio::test]
    async fn an_answer_without_end_is_not_read_to_its_end() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let endless = tokio::spawn(async move {
            let (mut connection, _) = listener.accept().await.unwrap();
            let _ = connection.read(&mut [0; 1024]).await.unwrap();
            let head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n";
            connection.write_all(head).await.unwrap();
            while connection.write_all(&[b' '; 1 << 14]).await.is_ok() {}
        });
        let kubeconfig = GOOD.replace("127.0.0.1:1", &address.to_string());
        let cluster = connect(&kubeconfig, None).await.unwrap();
        let error = cluster.version().await.unwrap_err();
        assert_eq!(error.trouble, Trouble::Engine);
        let expected = "length limit exceeded";
        assert!(error.message.contains(expected), "{}", error.message);
        endless.await.unwrap();
    }

    #[tokio::test]
    async fn a_cluster_that_is_down_is_found_out_when_it_is_asked() {
        let cluster = connect(GOOD, Some("a")).await.unwrap();
        let error = cluster.version().await.unwrap_err();
        assert_eq!(error.trouble, Trouble::Engine);
        let expected = "the cluster cannot be reached";
        assert!(error.message.starts_with(expected), "{}", error.message);
    }
}
