//! The releases that Helm keeps, as secrets of the type `helm.sh/release.v1`: one for each revision, with the state in labels
//! and the rest as compressed JSON. A secret has up to a megabyte, so the labels are read of all, the rest only of the one it is
//! needed of.

use std::collections::BTreeMap;
use std::io::Read;

use flate2::read::GzDecoder;
use k8s_openapi::ByteString;
use serde::Deserialize;
use serde_json::Value;

use super::Installer;
use crate::helm::cluster::{Kind, trouble_with};
use crate::helm::names::Release;
use crate::{ProviderError, Trouble};

/// The revisions of a release, the oldest first.
#[derive(Debug)]
pub(super) struct History(Vec<Revision>);

/// One revision of a release.
#[derive(Debug)]
pub(super) struct Revision {
    pub(super) release: Release,
    pub(super) number: u32,
    /// Helm's word, such as `deployed`.
    pub(super) status: String,
    pub(super) labels: BTreeMap<String, String>,
    /// The name of the secret.
    secret: String,
}

/// What a revision consists of, compressed.
#[derive(Debug)]
pub(super) struct Packed {
    release: Release,
    data: String,
}

/// What a revision consists of.
#[derive(Debug, Deserialize)]
pub(super) struct Content {
    /// The objects, as YAML.
    #[serde(default)]
    pub(super) manifest: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) hooks: Vec<Hook>,
}

/// A hook of a release.
#[derive(Debug, Deserialize)]
pub(super) struct Hook {
    /// The object, as YAML.
    #[serde(default)]
    pub(super) manifest: String,
}

impl Installer {
    pub(super) async fn history(&self, release: &Release) -> Result<History, ProviderError> {
        let selector = format!("owner=helm,name={}", release.name);
        let namespace = Some(release.namespace.as_str());
        let listed = self
            .cluster
            .list_metadata(&Kind::secret(), namespace, &selector)
            .await;
        let listed =
            listed.map_err(|error| trouble_with(error, &format!("the release {release}")))?;
        let mut revisions: Vec<Revision> =
            listed.objects.iter().filter_map(Revision::read).collect();
        revisions.sort_by_key(|revision| revision.number);
        Ok(History(revisions))
    }

    /// What a revision consists of, as Helm keeps it.
    pub(super) async fn packed(&self, revision: &Revision) -> Result<Packed, ProviderError> {
        let release = &revision.release;
        let namespace = Some(release.namespace.as_str());
        let secret = self
            .cluster
            .get(&Kind::secret(), namespace, &revision.secret)
            .await;
        let secret =
            secret.map_err(|error| trouble_with(error, &format!("the release {release}")))?;
        let data = secret
            .as_ref()
            .and_then(|secret| secret.pointer("/data/release")?.as_str());
        Ok(Packed {
            release: release.clone(),
            data: data.unwrap_or_default().to_owned(),
        })
    }
}

impl Packed {
    pub(super) fn content(&self) -> Result<Content, ProviderError> {
        unpack(&self.data).ok_or_else(|| {
            let message = format!(
                "what Helm remembers of the release {} is damaged; uninstall it with helm",
                self.release
            );
            ProviderError::new(Trouble::Engine, message)
        })
    }
}

impl History {
    pub(super) fn latest(&self) -> Option<&Revision> {
        self.0.last()
    }

    /// The revision that runs, or ran last: what can be brought back.
    pub(super) fn good(&self) -> Option<&Revision> {
        let with = |status: &str| self.0.iter().rfind(|revision| revision.status == status);
        with("deployed").or_else(|| with("superseded"))
    }

    /// Whether Helm would refuse to upgrade it, or would keep what never was complete.
    pub(super) fn needs_recovery(&self) -> bool {
        self.latest().is_some_and(|latest| {
            latest.is_cut_off() || (self.good().is_none() && !latest.is_gone())
        })
    }
}

impl Revision {
    /// Reads the metadata of a secret; `None` when it is none of Helm's.
    pub(super) fn read(secret: &Value) -> Option<Self> {
        let labels = secret.pointer("/metadata/labels")?;
        let labels: BTreeMap<String, String> = Deserialize::deserialize(labels).ok()?;
        let text = |path: &str| secret.pointer(path).and_then(Value::as_str);
        Some(Self {
            release: Release::remembered(labels.get("name")?, text("/metadata/namespace")?)?,
            number: labels.get("version")?.parse().ok()?,
            status: labels.get("status")?.clone(),
            secret: text("/metadata/name")?.to_owned(),
            labels,
        })
    }

    pub(super) fn is_pending(&self) -> bool {
        self.status.starts_with("pending-")
    }

    /// Whether a `helm` was killed while it worked at it.
    pub(super) fn is_cut_off(&self) -> bool {
        self.is_pending() || self.status == "uninstalling"
    }

    /// Whether it is only remembered.
    pub(super) fn is_gone(&self) -> bool {
        self.status == "uninstalled"
    }
}

/// Secrets are base64, and so is what Helm writes into them.
fn unpack(packed: &str) -> Option<Content> {
    let inner = String::from_utf8(decode(packed)?).ok()?;
    let bytes = decode(&inner)?;
    let mut json = Vec::new();
    let unpacked = GzDecoder::new(bytes.as_slice());
    unpacked.take(MAX_BYTES).read_to_end(&mut json).ok()?;
    serde_json::from_slice(&json).ok()
}

fn decode(base64: &str) -> Option<Vec<u8>> {
    let bytes: ByteString = serde_json::from_value(base64.into()).ok()?;
    Some(bytes.0)
}

/// Helm writes an absent list as `null`.
fn or_default<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Default + Deserialize<'de>,
    D: serde::Deserializer<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// A secret holds 1 MiB; nothing that is meant well grows more than this.
const MAX_BYTES: u64 = 32 << 20;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn history(statuses: &[&str]) -> History {
        let secret = |(number, status): (usize, &&str)| {
            let version = (number + 1).to_string();
            let labels =
                json!({"name": "web-1", "owner": "helm", "status": status, "version": version});
            let metadata = json!({"name": version, "namespace": "shop", "labels": labels});
            Revision::read(&json!({"metadata": metadata})).unwrap()
        };
        History(statuses.iter().enumerate().map(secret).collect())
    }

    #[test]
    fn what_can_be_brought_back_is_what_ran_last() {
        for (statuses, good, recovery) in [
            (&[][..], None, false),
            (&["deployed"], Some(1), false),
            (&["superseded", "deployed", "failed"], Some(2), false),
            (
                &["superseded", "deployed", "pending-upgrade"],
                Some(2),
                true,
            ),
            (&["superseded", "failed", "pending-rollback"], Some(1), true),
            (&["pending-install"], None, true),
            (&["failed"], None, true),
            (&["deployed", "uninstalling"], Some(1), true),
            (&["uninstalled"], None, false),
        ] {
            let history = history(statuses);
            assert_eq!(history.good().map(|good| good.number), good, "{statuses:?}");
            assert_eq!(history.needs_recovery(), recovery, "{statuses:?}");
        }
    }

    #[test]
    fn damaged_content_is_no_content() {
        assert!(unpack("").is_none());
        assert!(unpack("bm8gYmFzZTY0IQ==").is_none());
        assert!(unpack("%").is_none());
    }
}
