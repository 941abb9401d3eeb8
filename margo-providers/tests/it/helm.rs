//! Which `helm` is found and how it is called, with programs that only write down what they are told.

use std::path::PathBuf;

use margo_conformance::kubernetes::Cluster;
use margo_conformance::program;
use margo_conformance::registry::Registry;
use margo_package::chart::pack;
use margo_package::oci::{Client, Reference};
use margo_package::publish::push_chart;
use margo_providers::helm::{HelmProvider, Options};
use margo_providers::{Engine, Provider, Silent, Trouble};
use margo_types::deployment::ApplicationDeployment;
use serde_json::json;
use tempfile::TempDir;

/// A device with a `helm` that says it has this version.
struct Device {
    cluster: Cluster,
    registry: Registry,
    folder: TempDir,
}

impl Device {
    async fn new(version: &str) -> Self {
        let device = Self {
            cluster: Cluster::start().await,
            registry: Registry::start().await,
            folder: TempDir::new().expect("a folder"),
        };
        let log = device.log();
        let script = format!(
            "#!/bin/sh\nfor word; do echo \"$word\" >> {log}; done\necho --- >> {log}\n\
             env | sort > {log}.environment\n\
             if [ \"$1\" = version ]; then echo {version}; fi\n",
            log = log.display()
        );
        let helm = device.folder.path().join("helm");
        program::write(&helm, script);
        let kubeconfig = device.folder.path().join("kubeconfig");
        std::fs::write(kubeconfig, device.cluster.kubeconfig()).expect("a kubeconfig");
        device
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn client(&self) -> Client {
        let host = self.registry.host();
        let client = Client::builder().plain_http(&host).no_proxy().build();
        client.expect("a client")
    }

    fn options(&self) -> Options {
        let mut options = Options::new(self.folder.path().join("state"), self.client());
        options.program = Some(self.folder.path().join("helm"));
        options.kubeconfig = Some(self.folder.path().join("kubeconfig"));
        options
    }

    /// A deployment of one published chart.
    async fn deployment(&self) -> ApplicationDeployment {
        let chart = self.folder.path().join("web");
        std::fs::create_dir_all(chart.join("templates")).expect("a folder");
        let metadata = "apiVersion: v2\nname: web\nversion: 1.0.0\n";
        std::fs::write(chart.join("Chart.yaml"), metadata).expect("a file");
        let mut archive = Vec::new();
        pack(&chart, &mut archive).expect("a chart");
        let repository = format!("{}/charts/web", self.registry.host());
        let target: Reference = format!("{repository}:1.0.0").parse().expect("a reference");
        push_chart(&self.client(), &target, archive)
            .await
            .expect("it is pushed");
        let properties = json!({"repository": format!("oci://{repository}"), "revision": "1.0.0", "timeout": "2m0s"});
        let document = json!({
            "id": "ad9b614e-8912-45f4-a523-372358765def",
            "metadata": {"name": "app", "namespace": "default", "deviceId": "device-1"},
            "spec": {
                "applicationId": "app",
                "deploymentProfile": {
                    "type": "helm",
                    "components": [{"name": "web", "properties": properties}],
                },
                "parameters": {"token": {"value": "secret", "targets": [{"pointer": "a.b", "components": ["web"]}]}},
            },
        });
        serde_json::from_value(document).expect("a deployment")
    }
}

#[tokio::test]
async fn helm_4_is_told_what_it_understands() {
    let device = Device::new("v4.0.1+g1a2b3c4").await;
    let mut options = device.options();
    options.context = Some("margo".to_owned());
    let provider = HelmProvider::detect(options).await.expect("helm");
    assert_eq!(provider.found(), &Engine::new("helm", "4.0.1"));
    let deployment = device.deployment().await;
    provider
        .apply(&deployment, &Silent)
        .await
        .expect("helm says so");
    let log = std::fs::read_to_string(device.log()).expect("a log");
    let calls: Vec<Vec<&str>> = log
        .split("---\n")
        .map(|call| call.lines().collect())
        .collect();
    let upgrade = &calls[1];
    assert_eq!(upgrade[0], "upgrade");
    assert!(
        upgrade[1].starts_with("web-") && upgrade[2].ends_with("/chart.tgz"),
        "{upgrade:?}"
    );
    for expected in [
        &["--install"][..],
        &["--reset-values"],
        &["--namespace", "default"],
        &["--kube-context", "margo"],
        &["--wait"],
        &["--history-max", "5"],
    ] {
        assert!(
            upgrade
                .windows(expected.len())
                .any(|words| words == expected),
            "{expected:?}: {upgrade:?}"
        );
    }
    assert!(!log.contains("secret"), "values are in a file: {log}");
    // What Helm 4 has not any more, or means otherwise.
    for gone in ["--atomic", "--force", "--post-renderer"] {
        assert!(!log.contains(gone), "{log}");
    }
}

#[tokio::test]
async fn the_environment_is_the_providers() {
    let device = Device::new("v3.17.3").await;
    let mut options = device.options();
    options
        .environment
        .insert("EXTRA".to_owned(), "1".to_owned());
    HelmProvider::detect(options).await.expect("helm");
    let path = format!("{}.environment", device.log().display());
    let environment = std::fs::read_to_string(path).expect("an environment");
    let state = device.folder.path().join("state").display().to_string();
    for name in [
        "HELM_CACHE_HOME",
        "HELM_CONFIG_HOME",
        "HELM_DATA_HOME",
        "KUBECACHEDIR",
    ] {
        assert!(
            environment.contains(&format!("{name}={state}/helm/")),
            "{environment}"
        );
    }
    assert!(environment.contains("EXTRA=1") && environment.contains("KUBECONFIG="));
    assert!(
        !environment.contains("CARGO"),
        "nothing else is inherited: {environment}"
    );
}

#[tokio::test]
async fn other_versions_are_refused_with_what_to_install() {
    for version in ["v2.17.0", "v3.12.3", "v5.0.0", "helm?"] {
        let device = Device::new(version).await;
        let error = HelmProvider::detect(device.options())
            .await
            .expect_err(version);
        assert_eq!(error.trouble, Trouble::Engine);
        assert!(
            error.message.contains("install Helm 3.13 or newer"),
            "{error}"
        );
    }
    let device = Device::new("v3.17.3").await;
    let mut options = device.options();
    options.program = Some("/nowhere/helm".into());
    let error = HelmProvider::detect(options).await.expect_err("none");
    assert!(
        error
            .message
            .contains("/nowhere/helm cannot be used: it is not installed"),
        "{error}"
    );
}

#[tokio::test]
async fn owners_that_no_label_can_have_are_refused() {
    let device = Device::new("v3.17.3").await;
    for owner in ["", "a-b", "Margo", "123456789012345678901"] {
        let mut options = device.options();
        owner.clone_into(&mut options.owner);
        let error = HelmProvider::detect(options).await.expect_err("no owner");
        assert_eq!(error.trouble, Trouble::Device);
    }
}
