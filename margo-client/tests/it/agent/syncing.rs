//! Fetching: what changed, the cheaper way, and only what the manifest says.

use margo_client::state::{Change, State};
use margo_client::sync::{FetchLimits, poll};
use margo_client::{Error, ErrorKind};
use margo_types::etag::EntityTag;
use margo_types::manifest::{DeploymentReference, ManifestVersion, StateManifest};
use margo_types::{Digest, SpecVersion, write};

use super::rig::{Fault, Rig, deployment, id};

async fn fetch(rig: &Rig, held: &mut State) -> Result<bool, Error> {
    let Some(update) = poll(&*rig.wfm, held, &FetchLimits::default()).await? else {
        return Ok(false);
    };
    for (digest, bytes) in update.documents {
        held.apply(Change::Store(digest, bytes));
    }
    held.apply(Change::Accept(update.accepted));
    held.check()?;
    Ok(true)
}

#[tokio::test]
async fn only_what_changed_is_fetched() {
    let rig = Rig::new();
    let mut held = State::default();
    let mut all: Vec<_> = (1..=20).map(|number| deployment(number, "1.0")).collect();
    rig.wfm.publish(1, &all);
    assert!(fetch(&rig, &mut held).await.unwrap());
    assert_eq!(
        (rig.log.count("api bundle"), rig.log.count("api deployment")),
        (1, 0)
    );
    assert!(!fetch(&rig, &mut held).await.unwrap());
    all[3] = deployment(4, "2.0");
    rig.wfm.publish(2, &all);
    assert!(fetch(&rig, &mut held).await.unwrap());
    assert_eq!(
        (rig.log.count("api bundle"), rig.log.count("api deployment")),
        (1, 1)
    );
    rig.wfm.publish(3, &[]);
    assert!(fetch(&rig, &mut held).await.unwrap());
    assert!(held.accepted.unwrap().deployments.is_empty());
}

#[tokio::test]
async fn either_way_of_fetching_stands_in_for_the_other() {
    for operation in ["bundle", "deployment"] {
        let (rig, mut held) = about_to_ask_for(operation).await;
        rig.wfm.fail(operation, &[Fault::NotFound]);
        let is_new = fetch(&rig, &mut held).await.unwrap();
        assert!(is_new, "without {operation}");
        for asked in ["api bundle", "api deployment"] {
            assert!(rig.log.count(asked) > 0, "{asked}, without {operation}");
        }
    }
}

#[tokio::test]
async fn wrong_bytes_are_refused_whichever_way_they_come() {
    for operation in ["bundle", "deployment"] {
        let (rig, mut held) = about_to_ask_for(operation).await;
        let before = held.clone();
        rig.wfm.fail(operation, &[Fault::WrongBytes]);
        let refused = fetch(&rig, &mut held).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Integrity, "{refused}");
        assert_eq!(held, before);
    }
}

/// A device that has all to fetch, which comes as the bundle, or one document of many, which comes by itself.
async fn about_to_ask_for(operation: &str) -> (Rig, State) {
    let (rig, mut held) = (Rig::new(), State::default());
    let mut all: Vec<_> = (1..=20).map(|number| deployment(number, "1.0")).collect();
    rig.wfm.publish(1, &all);
    if operation == "deployment" {
        fetch(&rig, &mut held).await.unwrap();
        all[3] = deployment(4, "2.0");
        rig.wfm.publish(2, &all);
    }
    (rig, held)
}

#[tokio::test]
async fn a_document_of_another_deployment_is_refused_even_if_it_is_stored() {
    let rig = Rig::new();
    let mut held = State::default();
    rig.wfm.publish(1, &[deployment(1, "1.0")]);
    assert!(fetch(&rig, &mut held).await.unwrap());
    let mut manifest = margo_types::read::<StateManifest>(&rig.wfm.script().manifest)
        .unwrap()
        .into_value();
    manifest.manifest_version = ManifestVersion::new(2).unwrap();
    manifest.deployments[0] =
        DeploymentReference::new(id(9), manifest.deployments[0].digest, 9, "/");
    let bytes = write(&manifest, SpecVersion::Rc3).unwrap();
    rig.wfm.script().tag = Some(EntityTag::from(Digest::of(&bytes)));
    rig.wfm.script().manifest = bytes;
    let error = fetch(&rig, &mut held).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misbehaved);
    assert_eq!(held.accepted.unwrap().version, ManifestVersion::FIRST);
}

#[tokio::test]
async fn the_same_version_again_is_fine_and_with_other_bytes_a_security_event() {
    let rig = Rig::new();
    let mut held = State::default();
    rig.wfm.publish(7, &[deployment(1, "1.0")]);
    rig.wfm.script().tag = None;
    assert!(fetch(&rig, &mut held).await.unwrap());
    assert!(
        !fetch(&rig, &mut held).await.unwrap(),
        "the same bytes without a tag"
    );
    rig.wfm.script().manifest.push(b'\n');
    assert!(fetch(&rig, &mut held).await.unwrap_err().is_integrity());
    rig.wfm.publish(6, &[deployment(1, "1.0")]);
    assert!(fetch(&rig, &mut held).await.unwrap_err().is_integrity());
}
