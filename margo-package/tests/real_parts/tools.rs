//! Other tools read what we write, and we read what they write.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use libtest_mimic::Trial;
use margo_package::oci::Secret;
use margo_package::oci::{ArtifactStore as _, LayoutArchive, LayoutDirectory, Reference, transfer};
use margo_package::signature::{SignaturePolicy, SigningKey, Verifier, VerifyingKey, sign};
use margo_types::Digest;

use crate::process::{Registry, run};
use crate::registry::{assert_pulls, plain_client, push_package, reference};
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial(
            "openssl_agrees_on_keys_and_signatures",
            &["openssl"],
            openssl,
        ),
        trial(
            "skopeo_copies_away_and_back",
            &["docker-registry", "skopeo"],
            skopeo,
        ),
        trial(
            "skopeo_reads_our_layouts",
            &["docker-registry", "skopeo"],
            our_layouts,
        ),
        trial(
            "helm_chart_keeps_its_bytes",
            &["docker-registry", "helm"],
            helm,
        ),
    ]
}

fn skopeo_copy(from: &str, to: &str) {
    let arguments = [
        "--insecure-policy",
        "copy",
        "--preserve-digests",
        "--src-tls-verify=false",
        "--dest-tls-verify=false",
        from,
        to,
    ];
    run("skopeo", &arguments, &[]);
}

async fn skopeo() {
    let registry = Registry::plain();
    let client = plain_client(&registry);
    let package = reference(&registry, "apps/furnace:1.0.0");
    let manifest = push_package(&client, &package).await;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("layout");

    skopeo_copy(
        &format!("docker://{package}"),
        &format!("oci:{}:1.0.0", path.display()),
    );
    let layout = LayoutDirectory::open(&path).await.expect("skopeo's layout");
    assert_pulls(&layout, &package, &manifest).await;
    assert_eq!(layout.tags(&package).await.expect("tags"), ["1.0.0"]);

    let file = folder.path().join("layout.tar");
    skopeo_copy(
        &format!("docker://{package}"),
        &format!("oci-archive:{}:1.0.0", file.display()),
    );
    let archive = LayoutArchive::open(&file).await.expect("skopeo's archive");
    assert_pulls(&archive, &package, &manifest).await;

    let back = reference(&registry, "back/furnace:1.0.0");
    skopeo_copy(
        &format!("oci:{}:1.0.0", path.display()),
        &format!("docker://{back}"),
    );
    assert_pulls(&client, &back, &manifest).await;
}

async fn our_layouts() {
    let registry = Registry::plain();
    let client = plain_client(&registry);
    let folder = tempfile::tempdir().expect("a folder");
    let package: Reference = "registry.example/apps/furnace:1.0.0"
        .parse()
        .expect("a reference");
    let path = folder.path().join("layout");
    let layout = LayoutDirectory::create(&path).await.expect("a layout");
    let manifest = push_package(&layout, &package).await;
    let back = reference(&registry, "apps/furnace:1.0.0");
    skopeo_copy(
        &format!("oci:{}:1.0.0", path.display()),
        &format!("docker://{back}"),
    );
    assert_pulls(&client, &back, &manifest).await;

    let file = folder.path().join("layout.tar");
    let archive = LayoutArchive::edit(&file).await.expect("an archive");
    let leave = transfer::Signatures::Leave;
    transfer::copy(&layout, &package, &archive, &package, leave)
        .await
        .expect("a copy");
    archive.commit().await.expect("the file");
    let back = reference(&registry, "from-archive/furnace:1.0.0");
    skopeo_copy(
        &format!("oci-archive:{}:1.0.0", file.display()),
        &format!("docker://{back}"),
    );
    assert_pulls(&client, &back, &manifest).await;
}

async fn helm() {
    let registry = Registry::plain();
    let client = plain_client(&registry);
    let folder = tempfile::tempdir().expect("a folder");
    let own = [
        ("HELM_CONFIG_HOME", folder.path()),
        ("HELM_CACHE_HOME", folder.path()),
        ("HELM_DATA_HOME", folder.path()),
        ("HOME", folder.path()),
    ];
    let chart = folder.path().join("thermostat");
    std::fs::create_dir(&chart).expect("a folder");
    let about = "apiVersion: v2\nname: thermostat\nversion: 0.3.1+build.5\n";
    std::fs::write(chart.join("Chart.yaml"), about).expect("a chart");
    let text = |path: &Path| path.display().to_string();
    run(
        "helm",
        &["package", &text(&chart), "-d", &text(folder.path())],
        &own,
    );
    let packed = folder.path().join("thermostat-0.3.1+build.5.tgz");
    let target = format!("oci://{}/charts", registry.host());
    run(
        "helm",
        &["push", &text(&packed), &target, "--plain-http"],
        &own,
    );

    // Helm writes '_' where a version has '+', as Margo's revisions do.
    let reference = reference(&registry, "charts/thermostat:0.3.1_build.5");
    let manifest = client
        .pull_manifest(&reference)
        .await
        .expect("the chart's manifest");
    let layer = &manifest.content().layers[0];
    assert_eq!(
        layer.media_type,
        "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
    );
    let pulled = folder.path().join("pulled.tgz");
    transfer::blob_to_file(&client, &reference, layer, &pulled)
        .await
        .expect("the chart");
    let read = |path: &Path| Digest::of(&std::fs::read(path).expect("a file"));
    assert_eq!(read(&pulled), read(&packed), "not a byte is changed");
}

async fn openssl() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (private, public) = (path("key.pem"), path("public.pem"));
    let curve = "ec_paramgen_curve:P-256";
    run(
        "openssl",
        &[
            "genpkey",
            "-algorithm",
            "EC",
            "-pkeyopt",
            curve,
            "-out",
            &private,
        ],
        &[],
    );
    run(
        "openssl",
        &["pkey", "-in", &private, "-pubout", "-out", &public],
        &[],
    );
    let text = |path: &str| std::fs::read_to_string(path).expect("a file");
    let key = SigningKey::from_pem(&Secret::from(text(&private))).expect("the private key");
    let verifying = VerifyingKey::from_pem(&text(&public)).expect("the public key");
    assert_eq!(
        key.verifying_key().expect("its public key").to_pem(),
        text(&public)
    );

    let layout = LayoutDirectory::create(folder.path().join("layout"))
        .await
        .expect("a layout");
    let package: Reference = "registry.example/furnace:1.0.0"
        .parse()
        .expect("a reference");
    push_package(&layout, &package).await;
    let digest = sign(&layout, &package, &key).await.expect("a signature");
    let policy = SignaturePolicy::required_everywhere(Verifier::new([verifying]));
    assert!(
        policy
            .check(&layout, &package)
            .await
            .expect("a verdict")
            .is_acceptable()
    );

    let tag = format!("sha256-{}.sig", digest.to_hex());
    let signed = package.with_tag(&tag).expect("a reference");
    let manifest = layout
        .pull_manifest(&signed)
        .await
        .expect("the signature's manifest");
    let layer = &manifest.content().layers[0];
    transfer::blob_to_file(&layout, &signed, layer, Path::new(&path("payload")))
        .await
        .expect("it");
    let signature = STANDARD.decode(&layer.annotations["dev.cosignproject.cosign/signature"]);
    std::fs::write(path("signature"), signature.expect("base64")).expect("a file");
    let (payload, signature) = (path("payload"), path("signature"));
    let verify = [
        "dgst",
        "-sha256",
        "-verify",
        &public,
        "-signature",
        &signature,
        &payload,
    ];
    assert_eq!(run("openssl", &verify, &[]).trim(), "Verified OK");
}
