//! Packages and components through the client of margo-package.

use std::fs;

use margo_conformance::registry::Registry;
use margo_package::oci::{
    ArtifactStore as _, Client, ClientBuilder, Credentials, Reference, RetryPolicy, Secret,
    StaticCredentials,
};
use margo_package::package::{ApplicationPackage, PackageLimits};
use margo_package::publish::{
    ComponentInfo, pull_component, pull_package, push_compose, push_package,
};
use margo_types::id::ComponentName;
use margo_types::scalar::{Repository, Revision};

#[tokio::test]
async fn packages_and_components_go_there_and_back() {
    let registry = Registry::start().await;
    let client = client(&registry).build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("margo.yaml"), DESCRIPTION).unwrap();
    fs::create_dir(folder.path().join("watch")).unwrap();
    fs::write(folder.path().join("watch/compose.yaml"), COMPOSE).unwrap();

    let limits = PackageLimits::default();
    let package = ApplicationPackage::open(folder.path(), &limits).unwrap();
    let target = reference(&registry, "kilns/app");
    let pushed = push_package(&client, &target, &package).await.unwrap();
    let pulled = pull_package(&client, &pushed.reference, &limits)
        .await
        .unwrap();
    assert_eq!(
        pulled.package.description().bytes(),
        package.description().bytes()
    );
    assert_eq!(client.tags(&target).await.unwrap(), ["3.0"]);

    let name: ComponentName = "watch".parse().unwrap();
    let mut packed = Vec::new();
    margo_package::compose::pack(&folder.path().join("watch"), &name, &mut packed).unwrap();
    let target = reference(&registry, "kilns/watch:1.0.0");
    let info = ComponentInfo::from(name);
    push_compose(&client, &target, packed.clone(), &info)
        .await
        .unwrap();
    let repository = Repository::parse(&format!("oci://{}/kilns/watch", registry.host())).unwrap();
    let revision = Revision::parse("1.0.0").unwrap();
    let file = folder.path().join("pulled.tar.gz");
    pull_component(&client, &repository, &revision, &file)
        .await
        .unwrap();
    assert_eq!(fs::read(&file).unwrap(), packed);
    assert!(
        registry
            .requests()
            .iter()
            .any(|request| { request.line() == "GET /v2/kilns/watch/manifests/1.0.0" })
    );
}

#[tokio::test]
async fn only_the_right_password_opens() {
    let registry = Registry::builder()
        .credentials("operator", "sword fish")
        .start()
        .await;
    let package = reference(&registry, "kilns/app:1");
    for (password, is_right) in [("sword fish", true), ("swordfish", false)] {
        let secret = Secret::new(password);
        let known = StaticCredentials::new()
            .with(&registry.host(), Credentials::password("operator", secret));
        let client = client(&registry).credentials(known).build().unwrap();
        let error = client.pull_manifest(&package).await.unwrap_err();
        assert_eq!(error.is_not_found(), is_right, "{error}");
    }
}

#[tokio::test]
async fn a_stopped_registry_comes_back_with_its_content() {
    let registry = Registry::start().await;
    let client = client(&registry).build().unwrap();
    let package = reference(&registry, "kilns/app:1");
    assert!(
        client
            .pull_manifest(&package)
            .await
            .unwrap_err()
            .is_not_found()
    );
    registry.stop().await;
    assert!(
        !client
            .pull_manifest(&package)
            .await
            .unwrap_err()
            .is_not_found()
    );
    registry.restart();
    assert!(
        client
            .pull_manifest(&package)
            .await
            .unwrap_err()
            .is_not_found()
    );
}

fn client(registry: &Registry) -> ClientBuilder {
    Client::builder()
        .no_proxy()
        .only_these_certificates()
        .plain_http(&registry.host())
        .retry(RetryPolicy::never())
}

fn reference(registry: &Registry, rest: &str) -> Reference {
    format!("{}/{rest}", registry.host()).parse().unwrap()
}

const COMPOSE: &str = "services: {watch: {image: \"registry.example/kilns/web:3.0.0\"}}";

const DESCRIPTION: &str = "\
apiVersion: v1
id: kiln-watch
metadata:
  name: Kiln watch
  version: \"3.0\"
  catalog:
    application: {}
    author: [{name: Ada}]
    organization: [{name: Kilns}]
deploymentProfiles:
  - type: compose
    id: compose
    components:
      - name: watch
        properties: {repository: oci://registry.example/kilns/watch, revision: 1.0.0}
";
