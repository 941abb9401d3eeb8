//! Whole packages and components, into a layout and out of it again.

mod beside;
mod components;
mod packages;

use std::path::Path;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use margo_package::oci::{
    ArtifactStore, BlobSource, LayoutDirectory, Manifest, OciError, Place, Pushed, Reference,
};
use margo_types::Digest;
use margo_types::oci::Descriptor;
use tempfile::TempDir;
use tokio::io::AsyncWrite;

use crate::support::write_tree;

/// A layout that notes what is pushed, and refuses manifests or blobs if it is told to.
#[derive(Debug)]
struct Store {
    layout: LayoutDirectory,
    log: Arc<Mutex<Vec<String>>>,
    refused: &'static str,
    _folder: TempDir,
}

impl Store {
    async fn new() -> Self {
        Self::refusing("nothing").await
    }

    /// Refuses blobs of this media type.
    async fn refusing(refused: &'static str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            layout: LayoutDirectory::create(folder.path()).await.unwrap(),
            log: Arc::default(),
            refused,
            _folder: folder,
        }
    }

    fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    fn note(&self, what: &str) {
        self.log.lock().unwrap().push(what.to_owned());
    }
}

#[async_trait]
impl ArtifactStore for Store {
    async fn pull_manifest(&self, reference: &Reference) -> Result<Manifest, OciError> {
        self.layout.pull_manifest(reference).await
    }

    async fn pull_blob(
        &self,
        reference: &Reference,
        blob: &Descriptor,
        sink: &mut (dyn AsyncWrite + Send + Unpin),
    ) -> Result<(), OciError> {
        self.layout.pull_blob(reference, blob, sink).await
    }

    async fn push_blob(
        &self,
        reference: &Reference,
        blob: &Descriptor,
        source: &dyn BlobSource,
    ) -> Result<Pushed, OciError> {
        self.note(&blob.media_type);
        if blob.media_type == self.refused {
            return Err(OciError::Misused {
                place: Place::new(reference, "test"),
                problem: "refused".to_owned(),
                fix: "nothing",
            });
        }
        self.layout.push_blob(reference, blob, source).await
    }

    async fn push_manifest(
        &self,
        reference: &Reference,
        manifest: &Manifest,
    ) -> Result<(), OciError> {
        self.note("manifest");
        self.layout.push_manifest(reference, manifest).await
    }

    async fn tags(&self, reference: &Reference) -> Result<Vec<String>, OciError> {
        self.layout.tags(reference).await
    }

    async fn referrers(
        &self,
        reference: &Reference,
        subject: Digest,
        artifact_type: Option<&str>,
    ) -> Result<Vec<Descriptor>, OciError> {
        self.layout
            .referrers(reference, subject, artifact_type)
            .await
    }
}

fn reference(text: &str) -> Reference {
    text.parse().unwrap()
}

const DESCRIPTION: &str = "\
apiVersion: v1
id: kiln-watch
metadata:
  name: Kiln watch
  description: Watches kilns
  version: \"3.0\"
  catalog:
    application:
      icon: ./resources/kiln.png
      releaseNotes: resources/notes.md
    author:
      - name: Ada
      - email: bo@kilns.example
    organization:
      - name: Kilns
deploymentProfiles:
  - type: compose
    id: compose
    components:
      - name: watch
        properties: {repository: oci://registry.example/kilns/watch, revision: 3.0.0_b1}
      - name: elsewhere
        properties: {repository: oci://registry.example/other/store, revision: 1.0.0}
  - type: helm
    id: helm
    components:
      - name: watch-chart
        properties: {repository: oci://registry.example/kilns/charts/watch-chart, revision: 3.0.0_b1}
";
const COMPOSE: &str = "services: {watch: {image: \"registry.example/kilns/web:3.0.0\"}}";
const CHART: &str = "apiVersion: v2\nname: watch-chart\nversion: 3.0.0+b1\nappVersion: 1.16\ndescription: Watches\n";

/// A package with both kinds of component beside it.
fn sample() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    write_tree(
        directory.path(),
        &[
            ("margo.yaml", DESCRIPTION),
            ("resources/kiln.png", "\u{89}PNG"),
            ("resources/notes.md", "# Notes"),
            ("components/watch/compose.yaml", COMPOSE),
            ("components/watch-chart/Chart.yaml", CHART),
            ("components/watch-chart/templates/pod.yaml", "kind: Pod"),
        ],
    );
    directory
}

fn pack_compose(directory: &Path) -> Vec<u8> {
    let mut packed = Vec::new();
    margo_package::compose::pack(directory, &"watch".parse().unwrap(), &mut packed).unwrap();
    packed
}

fn pack_chart(directory: &Path) -> Vec<u8> {
    let mut packed = Vec::new();
    margo_package::chart::pack(directory, &mut packed).unwrap();
    packed
}
