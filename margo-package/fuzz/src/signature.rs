//! Signatures kept beside artefacts, and the policies that ask for them.
//!
//! The parts of an input are a line and content: `policy`, in which `acme.pub` is a fixed key and every other name the part `key`;
//! `tag` and `referrer`, manifests in the places where signatures are kept; any other is a blob. Parts refer to those before them as
//! `{1}`, see [`named`]. The artefact is always the same.

use std::fs;

use margo_package::oci::{LayoutDirectory, Reference};
use margo_package::signature::{InvalidKey, PolicyDocument, Requirement, VerifyingKey};
use margo_types::Digest;
use margo_types::media_type::OCI_MANIFEST;
use serde_json::{Value, json};

use super::check::scratch;
use super::inputs::named;
use super::registry::MANIFEST;
use super::stores::{RUNTIME, check_line, found, lay_out};

/// What is accepted as signed was signed, for this artefact and under the name that the policy asks for.
pub fn signature(data: &[u8]) {
    let members = named(data);
    let content = |kind: &str| {
        let member = members.iter().find(|(name, _)| name == kind);
        member.map_or(&[][..], |(_, content)| content)
    };
    let policy = content("policy");
    let document = match PolicyDocument::read(policy) {
        Ok(document) => document,
        Err(error) => return check_line(&error.to_string()),
    };
    let key = String::from_utf8_lossy(content("key"));
    let load = |name: &str| VerifyingKey::from_pem(if name == "acme.pub" { ACME } else { &key });
    let policy_of_keys = match document.policy::<InvalidKey>(&[], load) {
        Ok(policy) => policy,
        Err(error) => return check_line(&error.to_string()),
    };

    let place = tempfile::tempdir_in(scratch()).expect("a directory");
    lay_out(place.path(), &layout(&members));
    let web: Reference = format!("{NAME}:1").parse().expect("a reference");
    let verdict = RUNTIME.block_on(async {
        let store = found(LayoutDirectory::open(place.path()).await).expect("a layout");
        found(policy_of_keys.check(&store, &web).await)
    });
    fs::remove_dir_all(place.path()).expect("removed");
    let Some(verdict) = verdict else {
        return;
    };
    check_line(&verdict.to_string());
    assert_eq!(verdict.digest(), Digest::of(MANIFEST.as_bytes()));
    let says = |text: &str| String::from_utf8_lossy(policy).contains(text);
    let is_plain = !says("\\");
    if let Some(signer) = verdict.signed_by() {
        let acme = VerifyingKey::from_pem(ACME).expect("a key");
        assert_eq!(signer, acme.fingerprint());
        let is_there = |payload: &str| {
            let payload = payload.as_bytes();
            members.iter().any(|(_, content)| content == payload)
        };
        let is_for_another = is_there(SIGNED_FOR_SUPPLIER) && (says("signedAs") || !is_plain);
        assert!(is_there(SIGNED) || is_for_another, "nobody signed that");
    }
    if is_plain && !says("off") && !says("optional") {
        assert_eq!(verdict.requirement(), Requirement::Required);
        assert_eq!(verdict.is_acceptable(), verdict.signed_by().is_some());
    }
}

/// A layout with the artefact, and the members in their places.
fn layout(members: &[(String, Vec<u8>)]) -> Vec<(String, Vec<u8>)> {
    let artefact = MANIFEST.as_bytes();
    let signatures = format!("sha256-{}.sig", Digest::of(artefact).to_hex());
    let mut files = vec![blob(artefact)];
    let mut entries = vec![entry(artefact, Some("1"))];
    for (kind, content) in members {
        files.push(blob(content));
        match kind.as_str() {
            "tag" => entries.push(entry(content, Some(&signatures))),
            "referrer" => entries.push(entry(content, None)),
            _ => {}
        }
    }
    let index = json!({ "schemaVersion": 2, "manifests": entries });
    files.push(("index.json".to_owned(), index.to_string().into_bytes()));
    let version = json!({ "imageLayoutVersion": "1.0.0" });
    files.push(("oci-layout".to_owned(), version.to_string().into_bytes()));
    files
}

fn blob(content: &[u8]) -> (String, Vec<u8>) {
    let name = format!("blobs/sha256/{}", Digest::of(content).to_hex());
    (name, content.to_vec())
}

fn entry(manifest: &[u8], tag: Option<&str>) -> Value {
    let mut entry = json!({
        "mediaType": OCI_MANIFEST,
        "digest": Digest::of(manifest).to_string(),
        "size": manifest.len(),
    });
    if let Some(tag) = tag {
        entry["annotations"] = json!({ "io.containerd.image.name": format!("{NAME}:{tag}") });
    }
    entry
}

const NAME: &str = "registry.example/apps/web";
/// Of a pair whose private key signed what the seeds have, and was thrown away.
const ACME: &str = "\
-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEDeGLSEajQDWfsHUb5jMpcIP1ulb4
NNeN32iWqKSlbrzOHTGWJiFsJlmOC+bJEEpFPvHW0vSPFJj/5aFUZn064Q==
-----END PUBLIC KEY-----
";
/// All that it signed for the artefact: under its own name, and under that of a supplier.
const SIGNED: &str = r#"{"critical":{"identity":{"docker-reference":"registry.example/apps/web"},"image":{"docker-manifest-digest":"sha256:145dc87a535e94614c69d512adccf22a2c003de649245d84643d0ba2c6c5c7a2"},"type":"cosign container image signature"},"optional":null}"#;
const SIGNED_FOR_SUPPLIER: &str = r#"{"critical":{"identity":{"docker-reference":"supplier.example/apps/web"},"image":{"docker-manifest-digest":"sha256:145dc87a535e94614c69d512adccf22a2c003de649245d84643d0ba2c6c5c7a2"},"type":"cosign container image signature"},"optional":null}"#;
