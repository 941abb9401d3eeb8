//! `package import` and `package list`.

use margo_conformance::registry::Registry;
use margo_package::oci::Client;
use margo_package::package::{ApplicationPackage, PackageLimits};
use margo_package::publish::push_package;

use crate::support::{Place, package};

#[test]
fn directory_is_imported_once() {
    let place = Place::new();
    let _running = place.start();
    place.write("lamp/margo.yaml", &package("1.0"));
    let imported = place.json(&["package", "import", "lamp"]);
    assert_eq!(imported["application"], "com-example-lamp");
    assert_eq!(imported["version"], "1.0");
    assert_eq!(imported["new"], true);
    let again = place.json(&["package", "import", "lamp"]);
    assert_eq!(again["new"], false);
    let listed = place.json(&["package", "list"]);
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!(listed[0]["profiles"], serde_json::json!(["large", "small"]));
}

#[test]
fn version_keeps_its_content() {
    let place = Place::new();
    let _running = place.start();
    place.write("lamp/margo.yaml", &package("1.0"));
    place.json(&["package", "import", "lamp"]);
    place.write("lamp/margo.yaml", &package("1.0").replace("white", "red"));
    let (code, why) = place.failure(&["package", "import", "lamp"]);
    assert_eq!(code, 1);
    assert!(why.contains("raise metadata.version"), "{why}");
}

#[test]
fn package_that_does_not_validate_is_not_imported() {
    let place = Place::new();
    let _running = place.start();
    let broken = package("1.0").replace("value: white", "value: \"7\"");
    place.write("lamp/margo.yaml", &broken);
    let (code, why) = place.failure(&["package", "import", "lamp"]);
    assert_eq!(code, 1);
    assert!(why.contains("colour"), "{why}");
    assert_eq!(place.json(&["package", "list"]), serde_json::json!([]));
}

#[test]
fn directory_without_a_package() {
    let place = Place::new();
    let _running = place.start();
    let (code, why) = place.failure(&["package", "import", "nowhere"]);
    assert_eq!(code, 2);
    assert!(why.contains("nowhere") && why.contains("oci://"), "{why}");
    let (code, why) = place.failure(&["package", "import", "state"]);
    assert_eq!(code, 1);
    assert!(why.contains("margo.yaml"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn registry_with_a_login_is_imported_from() {
    let registry = Registry::builder()
        .credentials("fleet", "secret")
        .start()
        .await;
    let place = Place::new();
    place.write("password", "secret\n");
    let host = registry.host();
    place.configure(
        "[state]",
        &format!(
            "[registries.\"{host}\"]\nplain_http = true\nusername = \"fleet\"\npassword_file = \"password\"\n[state]"
        ),
    );
    place.write("lamp/margo.yaml", &package("1.0"));
    let login = margo_package::oci::Credentials::password("fleet", "secret");
    let client = Client::builder()
        .plain_http(&host)
        .credentials(margo_package::oci::StaticCredentials::new().with(&host, login))
        .build()
        .unwrap();
    let lamp = ApplicationPackage::open(&place.path("lamp"), &PackageLimits::default()).unwrap();
    let reference = format!("oci://{host}/lamp").parse().unwrap();
    push_package(&client, &reference, &lamp).await.unwrap();

    tokio::task::spawn_blocking(move || {
        let _running = place.start();
        let source = format!("oci://{host}/lamp:1.0");
        let imported = place.json(&["package", "import", &source]);
        assert_eq!(imported["source"], source.as_str());

        tokio::runtime::Handle::current().block_on(registry.stop());
        let (code, why) = place.failure(&["package", "import", &format!("oci://{host}/lamp:1.1")]);
        assert_eq!(code, 3, "{why}");
        assert!(why.contains(&host), "{why}");
    })
    .await
    .unwrap();
}
