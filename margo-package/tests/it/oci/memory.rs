//! An honest registry in memory, with the referrers API that older real ones lack.

use std::collections::BTreeMap;
use std::sync::Mutex;

use margo_types::Digest;
use serde_json::{Value, json};

use super::fake::{Fake, Reply, Seen};

#[derive(Default)]
struct Content {
    blobs: BTreeMap<String, Vec<u8>>,
    manifests: BTreeMap<String, (String, Vec<u8>)>,
    /// By repository and tag.
    tags: BTreeMap<(String, String), String>,
    upload: Vec<u8>,
}

#[derive(Clone, Copy, Default)]
pub(crate) struct Behaviour {
    /// Whether it lists referrers itself.
    pub(crate) referrers: bool,
    /// The largest request body it takes.
    pub(crate) max_body: Option<usize>,
}

/// Starts the registry; its repositories share their blobs and manifests, but not their tags.
pub(crate) async fn start(behaviour: Behaviour) -> Fake {
    let content = Mutex::new(Content::default());
    Fake::start(move |seen| {
        let mut content = content.lock().expect("the content");
        answer(&mut content, seen, behaviour)
    })
    .await
}

fn answer(content: &mut Content, seen: &Seen, behaviour: Behaviour) -> Reply {
    if behaviour
        .max_body
        .is_some_and(|limit| seen.body.len() > limit)
    {
        return Reply::new(413, "too large");
    }
    let parts: Vec<&str> = seen.path().split('/').collect();
    let [.., kind, name] = parts[..] else {
        return Reply::new(404, "");
    };
    let repository = parts[..parts.len() - 2].join("/");
    let tagged = |name: &str| (repository.clone(), name.to_owned());
    match (seen.method.as_str(), kind, name) {
        ("POST", "uploads", "") => {
            content.upload.clear();
            Reply::new(202, "").header("location", "/v2/any/blobs/uploads/one?state=kept")
        }
        ("PATCH", "uploads", _) => {
            content.upload.extend_from_slice(&seen.body);
            Reply::new(202, "").header("location", "/v2/any/blobs/uploads/one?state=kept")
        }
        ("PUT", "uploads", _) => {
            assert!(
                seen.target.contains("state=kept"),
                "the query of the location stays"
            );
            content.upload.extend_from_slice(&seen.body);
            let bytes = std::mem::take(&mut content.upload);
            let digest = Digest::of(&bytes).to_string();
            if !seen.target.contains(&digest.replace(':', "%3A")) {
                return Reply::new(
                    400,
                    r#"{"errors":[{"code":"DIGEST_INVALID","message":"no"}]}"#,
                );
            }
            content.blobs.insert(digest, bytes);
            Reply::new(201, "")
        }
        ("GET" | "HEAD", "blobs", digest) => match content.blobs.get(digest) {
            Some(bytes) => Reply::new(200, bytes.clone()),
            None => Reply::new(
                404,
                r#"{"errors":[{"code":"BLOB_UNKNOWN","message":"no such blob"}]}"#,
            ),
        },
        ("PUT", "manifests", name) => {
            let digest = Digest::of(&seen.body).to_string();
            let media_type = seen
                .header("content-type")
                .expect("a media type")
                .to_owned();
            content
                .manifests
                .insert(digest.clone(), (media_type, seen.body.clone()));
            if !name.starts_with("sha256:") {
                content.tags.insert(tagged(name), digest.clone());
            }
            let reply = Reply::new(201, "").header("docker-content-digest", digest);
            let subject = subject_of(&seen.body);
            match subject.filter(|_| behaviour.referrers) {
                Some(subject) => reply.header("oci-subject", subject),
                None => reply,
            }
        }
        ("GET", "manifests", name) => {
            let digest = content.tags.get(&tagged(name)).map_or(name, String::as_str);
            match content.manifests.get(digest) {
                Some((media_type, bytes)) => Reply::new(200, bytes.clone())
                    .header("content-type", media_type)
                    .header("docker-content-digest", digest),
                None => Reply::new(404, ""),
            }
        }
        ("GET", "referrers", subject) if behaviour.referrers => {
            let manifests = content.manifests.iter();
            let manifests: Vec<_> = manifests
                .filter(|(_, (_, bytes))| subject_of(bytes).as_deref() == Some(subject))
                .map(|(digest, (media_type, bytes))| {
                    let manifest: Value = serde_json::from_slice(bytes).expect("JSON");
                    json!({
                        "mediaType": media_type,
                        "digest": digest,
                        "size": bytes.len(),
                        "artifactType": manifest["artifactType"],
                    })
                })
                .collect();
            let index = json!({ "schemaVersion": 2, "manifests": manifests });
            Reply::new(200, index.to_string())
        }
        ("GET", "tags", "list") => {
            let tags = content.tags.keys();
            let tags = tags.filter(|(other, _)| *other == repository);
            let tags: Vec<_> = tags.map(|(_, tag)| tag).collect();
            Reply::new(200, json!({ "name": "any", "tags": tags }).to_string())
        }
        _ => Reply::new(404, ""),
    }
}

fn subject_of(manifest: &[u8]) -> Option<String> {
    let manifest: Value = serde_json::from_slice(manifest).ok()?;
    Some(manifest["subject"]["digest"].as_str()?.to_owned())
}
