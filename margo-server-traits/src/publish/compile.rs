//! From deployments to bytes. Nothing here depends on time, place or order.

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::Timestamp;
use margo_package::bundle;
use margo_types::deployment::ApplicationDeployment;
use margo_types::endpoint::{PathCaller, Route};
use margo_types::id::{ClientId, DeploymentId};
use margo_types::manifest::{BundleReference, DeploymentReference, ManifestVersion, StateManifest};
use margo_types::{CallerIdentity, Digest, SpecVersion, WriteError, write};

use super::PublishError;
use crate::store::Publication;

/// The documents of a client's deployments.
pub(crate) type Documents = BTreeMap<DeploymentId, Bytes>;

/// Whom something is published for.
#[derive(Clone, Debug)]
pub(crate) struct Audience {
    pub(crate) client: ClientId,
    pub(crate) generation: SpecVersion,
}

/// The documents of these deployments; that of an unchanged deployment is the one before.
pub(super) fn documents(
    deployments: &[ApplicationDeployment],
    before: &Documents,
    audience: &Audience,
) -> Result<Documents, PublishError> {
    let mut documents = Documents::new();
    for deployment in deployments {
        let bytes = document(deployment, before.get(&deployment.id), audience)?;
        if documents.insert(deployment.id, bytes).is_some() {
            return Err(PublishError::Repeated(deployment.id));
        }
    }
    Ok(documents)
}

/// Everything that is published of these documents.
pub(crate) fn publication(
    documents: Documents,
    version: ManifestVersion,
    audience: &Audience,
    published_at: Timestamp,
) -> Result<Publication, PublishError> {
    let bundle = bundle_of(&documents)?;
    let deployments: Vec<_> = documents
        .into_iter()
        .map(|(id, bytes)| (id, Digest::of(&bytes), bytes))
        .collect();
    let manifest = manifest(version, bundle.as_ref(), &deployments, audience)?;
    Ok(Publication {
        version,
        generation: audience.generation,
        digest: Digest::of(&manifest),
        manifest,
        bundle,
        deployments,
        published_at,
    })
}

fn document(
    deployment: &ApplicationDeployment,
    before: Option<&Bytes>,
    audience: &Audience,
) -> Result<Bytes, PublishError> {
    let (id, generation) = (deployment.id, audience.generation);
    let report = margo_types::validate(deployment, generation);
    if !report.is_valid() {
        return Err(PublishError::Invalid {
            deployment: id,
            report,
        });
    }
    let bytes = write(deployment, generation).map_err(|error| match error {
        WriteError::Unrepresentable(source) => PublishError::Unrepresentable {
            deployment: id,
            client: audience.client.clone(),
            source,
        },
        source => PublishError::Unwritable {
            deployment: id,
            source,
        },
    })?;
    if let Some(before) = before
        && (*before == bytes || says(before, deployment, generation))
    {
        return Ok(before.clone());
    }
    let read = margo_types::read::<ApplicationDeployment>(&bytes);
    let read = read.map_err(|source| PublishError::Unreadable {
        deployment: id,
        source,
    })?;
    let report = read.validate();
    if report.is_valid() {
        Ok(bytes.into())
    } else {
        Err(PublishError::Invalid {
            deployment: id,
            report,
        })
    }
}

/// Whether this document says in a generation what the deployment says, perhaps in the words of an older program.
fn says(document: &[u8], deployment: &ApplicationDeployment, generation: SpecVersion) -> bool {
    margo_types::read::<ApplicationDeployment>(document)
        .is_ok_and(|document| document.generation() == generation && document.value() == deployment)
}

/// `None` without deployments: empty archives are never served (W15).
fn bundle_of(documents: &Documents) -> Result<Option<(Digest, Bytes)>, PublishError> {
    if documents.is_empty() {
        return Ok(None);
    }
    let members: Vec<_> = documents.iter().map(|(id, it)| (*id, &**it)).collect();
    let bundle = bundle::build(&members)?;
    Ok(Some((bundle.digest, bundle.bytes.into())))
}

fn manifest(
    version: ManifestVersion,
    bundle: Option<&(Digest, Bytes)>,
    deployments: &[(DeploymentId, Digest, Bytes)],
    audience: &Audience,
) -> Result<Bytes, PublishError> {
    let bundle = match bundle {
        Some((digest, bytes)) => {
            let url = audience.url(&Route::Bundle { digest: *digest })?;
            Some(BundleReference::new(*digest, bytes.len() as u64, url))
        }
        None => None,
    };
    let references = deployments.iter().map(|(id, digest, bytes)| {
        let url = audience.url(&Route::Deployment {
            deployment_id: *id,
            digest: *digest,
        })?;
        Ok(DeploymentReference::new(
            *id,
            *digest,
            bytes.len() as u64,
            url,
        ))
    });
    let references: Result<_, PublishError> = references.collect();
    let manifest = StateManifest::new(version, bundle, references?);
    let bytes = write(&manifest, audience.generation);
    Ok(bytes
        .map_err(|why| PublishError::Manifest(why.into()))?
        .into())
}

impl Audience {
    /// The URL of a content; it names the client where requests are signed (rc1-and-pre-draft.md section 7.1).
    fn url(&self, route: &Route) -> Result<String, PublishError> {
        let caller = match self.generation.rules().caller {
            CallerIdentity::SignedRequest => PathCaller::Client(self.client.clone()),
            _ => PathCaller::Unnamed,
        };
        let path = route.path(self.generation, &caller);
        path.map_err(|why| PublishError::Manifest(why.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unchanged_deployment_keeps_what_an_older_program_wrote() {
        let older = "# from an older program\n\
            id: 5c1f7a9e-3b60-4d52-9a3e-0f4b8f2d6c11\n\
            metadata: {name: hello, namespace: line-4, deviceId: edge-07}\n\
            spec:\n  applicationId: com-riverside-hello\n  deploymentProfile:\n    type: compose\n    components:\n    \
            - name: hello\n      properties: {repository: 'oci://registry.riverside.example/hello', revision: 1.0.0}\n";
        let older = Bytes::from(older);
        let mut deployment = margo_types::read::<ApplicationDeployment>(&older)
            .unwrap()
            .into_value();
        let before = Documents::from([(deployment.id, older.clone())]);
        let mut audience = Audience {
            client: ClientId::parse("press-1").unwrap(),
            generation: SpecVersion::Rc3,
        };
        let kept = documents(&[deployment.clone()], &before, &audience).unwrap();
        assert_eq!(kept, before);
        audience.generation = SpecVersion::Rc1;
        let converted = documents(&[deployment.clone()], &before, &audience).unwrap();
        assert_ne!(
            converted, before,
            "it is in the words of another generation"
        );
        audience.generation = SpecVersion::Rc3;
        deployment.metadata.name = "hello-2".to_owned();
        let changed = documents(&[deployment], &before, &audience).unwrap();
        assert_ne!(changed, before);
    }
}
