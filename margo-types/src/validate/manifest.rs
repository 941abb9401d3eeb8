//! Rules of the state manifest (rc3.md section 3, requirements W14 to W20).

use std::collections::BTreeMap;

use super::place::{Place, repeated};
use super::rule::rule_table;
use super::{Validate, members};
use crate::digest::Digest;
use crate::id::DeploymentId;
use crate::manifest::{BundleReference, DeploymentReference, StateManifest};
use crate::media_type;
use crate::text::shorten;

impl Validate for StateManifest {
    fn check(&self, at: &Place<'_>) {
        match &self.bundle {
            Some(_) if self.deployments.is_empty() => at.key("bundle").report(
                &BUNDLE,
                "there is a bundle, but no deployment it could contain",
                "write null",
            ),
            None if !self.deployments.is_empty() => at.key("bundle").report(
                &BUNDLE,
                "there are deployments, but no bundle of them",
                "write the reference to an archive with all deployments",
            ),
            _ => {}
        }
        if let Some(reference) = &self.bundle {
            bundle(&at.key("bundle"), reference);
        }
        deployments(&at.key("deployments"), &self.deployments);
        members::open(at, &self.extra);
    }
}

fn bundle(at: &Place<'_>, bundle: &BundleReference) {
    if bundle.media_type != media_type::BUNDLE {
        at.key("mediaType").report(
            &MEDIA_TYPE,
            format!(
                "{:?} is not the media type of a bundle",
                shorten(&bundle.media_type)
            ),
            format!("write {}", media_type::BUNDLE),
        );
    }
    url(&at.key("url"), &bundle.url, bundle.digest, None);
    members::open(at, &bundle.extra);
}

fn deployments(at: &Place<'_>, deployments: &[DeploymentReference]) {
    at.each(deployments, |at, reference| {
        let id = Some(reference.deployment_id);
        url(&at.key("url"), &reference.url, reference.digest, id);
        members::open(at, &reference.extra);
    });
    for (position, id) in repeated(deployments.iter().map(|it| it.deployment_id)) {
        at.index(position).key("deploymentId").report(
            &REPEATED,
            format!("the deployment {id} is listed before"),
            "list every deployment once",
        );
    }
    // The digest covers the id, so it cannot be the same for two ids (rc3.md ambiguity 30).
    let mut owners = BTreeMap::new();
    at.each(deployments, |at, reference| {
        let id = reference.deployment_id;
        if *owners.entry(reference.digest).or_insert(id) != id {
            at.key("digest").report(
                &SHARED_DIGEST,
                "another deployment has the same digest, which covers its id",
                "write the digest of this deployment's own document",
            );
        }
    });
}

/// Checks the last segments of a URL against what it is the URL of, and the rest against the routes.
fn url(at: &Place<'_>, url: &str, digest: Digest, deployment: Option<DeploymentId>) {
    let (rest, last) = url.rsplit_once('/').unwrap_or(("", url));
    // Whether the colon is percent-encoded is not said (rc1-and-pre-draft.md ambiguity 42).
    let last = last.replace("%3A", ":").replace("%3a", ":");
    if Digest::parse(&last) != Ok(digest) {
        at.report(
            &URL_DIGEST,
            "the URL does not end in the digest",
            format!("end it in /{digest}"),
        );
    }
    let (route, expected) = match deployment {
        None => (rest, "bundles"),
        Some(id) => {
            let (rest, segment) = rest.rsplit_once('/').unwrap_or(("", rest));
            if DeploymentId::parse(segment) != Ok(id) {
                at.report(
                    &URL_DEPLOYMENT,
                    "the URL does not name the deployment",
                    format!("end it in /{id}/{digest}"),
                );
            }
            (rest, "deployments")
        }
    };
    let client_in_url = at.switches().client_in_urls;
    if !is_route(route, expected, client_in_url) {
        let client = if client_in_url {
            "clients/<client id>/"
        } else {
            ""
        };
        at.report(
            &URL,
            format!("{:?} is not the route of {expected}", shorten(route)),
            format!("start it with /api/v1/{client}{expected}/"),
        );
    }
}

fn is_route(route: &str, resource: &str, client_in_url: bool) -> bool {
    if !client_in_url {
        return route.strip_prefix("/api/v1/") == Some(resource);
    }
    // All URLs are below a root URL that the user sets, which may have a path.
    let Some((root, route)) = route.split_once("/api/v1/") else {
        return false;
    };
    if !(root.is_empty() || root.starts_with('/')) {
        return false;
    }
    // Early texts write `devices` (rc1-and-pre-draft.md ambiguity 41).
    match *route.split('/').collect::<Vec<_>>() {
        ["clients" | "devices", client, last] => !client.is_empty() && last == resource,
        _ => false,
    }
}

rule_table! {
    BUNDLE: Error, "manifest.bundle", "rc3.md 3.2, W15",
        "the bundle is null if and only if there are no deployments";
    MEDIA_TYPE: Error in schema, "manifest.media-type", "rc3.md 3.2, W16",
        "the media type of a bundle is application/vnd.margo.bundle.v1+tar+gzip";
    URL: Error, "manifest.url", "rc3.md 3.2",
        "URLs start with the route of the resource";
    URL_DIGEST: Error, "manifest.url-digest", "rc3.md 3.2, W20",
        "the digest in a URL equals the digest beside it";
    URL_DEPLOYMENT: Error, "manifest.url-deployment", "rc3.md 3.2",
        "the deployment in a URL is the one beside it";
    REPEATED: Error, "manifest.repeated-deployment", "rc3.md 3.2",
        "every deployment is listed once";
    SHARED_DIGEST: Error, "manifest.shared-digest", "rc3.md 3.2, 3.3, ambiguity 30",
        "the digests of different deployments differ";
}
