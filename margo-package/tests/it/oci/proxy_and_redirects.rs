//! Where requests go, and what goes with them.

use margo_package::oci::{ArtifactStore as _, Client, Credentials, RetryPolicy, StaticCredentials};

use super::fake::{Fake, Reply};
use super::{blob_of, client_for, impatient_client_for, manifest_of, reference};

async fn storage() -> Fake {
    Fake::start(|_| Reply::new(200, "content")).await
}

async fn registry_that_redirects_to(target: String) -> Fake {
    Fake::start(move |seen| match seen.header("authorization") {
        None => Reply::new(401, "").header("www-authenticate", "Basic realm=\"registry\""),
        Some(_) => Reply::new(307, "").header("location", &target),
    })
    .await
}

#[tokio::test]
async fn credentials_do_not_follow_a_redirect_to_another_origin() {
    let storage = storage().await;
    let fake = registry_that_redirects_to(format!("http://{}/blob?signed=1", storage.host())).await;
    let source = StaticCredentials::new()
        .with(&fake.host(), Credentials::password("operator", "swordfish"))
        .with(
            &storage.host(),
            Credentials::password("operator", "swordfish"),
        );
    let client = client_for([&fake, &storage])
        .credentials(source)
        .build()
        .expect("a client");
    let mut sink = Vec::new();
    let pulled = client
        .pull_blob(&reference(&fake, "web:1"), &blob_of(b"content"), &mut sink)
        .await;
    pulled.expect("the blob");
    assert_eq!(sink, b"content");
    let arrived = storage.seen();
    assert_eq!(arrived.len(), 1);
    assert_eq!(arrived[0].target, "/blob?signed=1");
    assert_eq!(
        arrived[0].header("authorization"),
        None,
        "the credentials stay at home"
    );
    assert!(fake.seen()[1].header("authorization").is_some());
}

#[tokio::test]
async fn a_challenge_after_a_redirect_is_not_answered() {
    let thief = Fake::start(|_| {
        Reply::new(401, "").header("www-authenticate", "Basic realm=\"give it to me\"")
    })
    .await;
    let fake = registry_that_redirects_to(format!("http://{}/blob", thief.host())).await;
    let source = StaticCredentials::new()
        .with(&fake.host(), Credentials::password("operator", "swordfish"))
        .with(
            &thief.host(),
            Credentials::password("operator", "swordfish"),
        );
    let client = client_for([&fake, &thief])
        .credentials(source)
        .build()
        .expect("a client");
    let mut sink = Vec::new();
    let pulled = client
        .pull_blob(&reference(&fake, "web:1"), &blob_of(b"content"), &mut sink)
        .await;
    pulled.expect_err("refused");
    assert!(
        thief
            .seen()
            .iter()
            .all(|seen| seen.header("authorization").is_none())
    );
    assert_eq!(thief.seen().len(), 1);
}

#[tokio::test]
async fn credentials_stay_with_a_redirect_on_the_same_origin() {
    let fake = Fake::start(|seen| {
        if seen.header("authorization").is_none() {
            return Reply::new(401, "").header("www-authenticate", "Basic realm=\"registry\"");
        }
        match seen.path() {
            "/moved" => Reply::new(200, manifest_of(b"x").bytes()),
            _ => Reply::new(302, "").header("location", "/moved"),
        }
    })
    .await;
    let source = StaticCredentials::new().with(&fake.host(), Credentials::password("a", "b"));
    let client = client_for([&fake])
        .credentials(source)
        .build()
        .expect("a client");
    client
        .pull_manifest(&reference(&fake, "web:1"))
        .await
        .expect("a manifest");
}

#[tokio::test]
async fn a_redirect_to_plain_http_or_in_circles_is_not_followed() {
    let storage = storage().await;
    let target = format!("http://{}/blob?signature=secret", storage.host());
    let fake = Fake::start(move |_| Reply::new(307, "").header("location", &target)).await;
    let client = client_for([&fake]).build().expect("a client");
    let error = client
        .pull_manifest(&reference(&fake, "web:1"))
        .await
        .expect_err("plain HTTP");
    assert!(error.to_string().contains("it is not HTTPS"), "{error}");
    assert!(
        !error.to_string().contains("secret"),
        "signed addresses are not printed: {error}"
    );
    assert_eq!(storage.seen().len(), 0);

    for target in ["file:///etc/passwd", "/again"] {
        let fake = Fake::start(move |_| Reply::new(307, "").header("location", target)).await;
        let client = client_for([&fake]).build().expect("a client");
        client
            .pull_manifest(&reference(&fake, "web:1"))
            .await
            .expect_err(target);
        assert!(fake.seen().len() <= 6);
    }
}

#[tokio::test]
async fn https_is_spoken_unless_plain_http_is_allowed_for_this_host() {
    let fake = Fake::start(|_| Reply::new(200, manifest_of(b"x").bytes())).await;
    let client = impatient_client_for([]).build().expect("a client");
    client
        .pull_manifest(&reference(&fake, "web:1"))
        .await
        .expect_err("no TLS there");
    assert_eq!(fake.seen().len(), 0);
}

#[tokio::test]
async fn a_given_proxy_is_used_except_where_it_is_bypassed() {
    let proxy = Fake::start(|_| Reply::new(200, manifest_of(b"x").bytes())).await;
    let client = client_for([])
        .plain_http("registry.test")
        .proxy(format!("http://{}", proxy.host()), "127.0.0.1")
        .build()
        .expect("a client");
    let web = "registry.test/web:1".parse().expect("a reference");
    client.pull_manifest(&web).await.expect("a manifest");
    assert_eq!(
        proxy.lines(),
        ["GET http://registry.test/v2/web/manifests/1"]
    );

    let direct = Fake::start(|_| Reply::new(200, manifest_of(b"x").bytes())).await;
    let client = client_for([&direct])
        .proxy(format!("http://{}", proxy.host()), "127.0.0.1")
        .build()
        .expect("a client");
    client
        .pull_manifest(&reference(&direct, "web:1"))
        .await
        .expect("a manifest");
    assert_eq!(direct.lines(), ["GET /v2/web/manifests/1"]);
    assert_eq!(proxy.seen().len(), 1);
}

/// The environment belongs to the whole process, so this test runs itself again in one of its own.
#[tokio::test]
async fn the_proxy_of_the_environment_is_used() {
    if std::env::var_os("PROXY_IS_SET").is_some() {
        let client = Client::builder()
            .only_these_certificates()
            .retry(RetryPolicy::never())
            .plain_http("registry.test")
            .plain_http("direct.test")
            .build()
            .expect("a client");
        let pull = async |text: &str| {
            client
                .pull_manifest(&text.parse().expect("a reference"))
                .await
                .map(drop)
        };
        pull("registry.test/web:1")
            .await
            .expect("through the proxy");
        pull("direct.test/web:1")
            .await
            .expect_err("there is no such host");
        return;
    }
    let proxy = Fake::start(|_| Reply::new(200, manifest_of(b"x").bytes())).await;
    let this = std::env::current_exe().expect("this program");
    let name = "oci::proxy_and_redirects::the_proxy_of_the_environment_is_used";
    let again = tokio::process::Command::new(this)
        .args(["--exact", name])
        .env("PROXY_IS_SET", "yes")
        .env("HTTP_PROXY", format!("http://{}", proxy.host()))
        .env("NO_PROXY", "direct.test")
        .output()
        .await
        .expect("the test again");
    assert!(
        again.status.success(),
        "{}",
        String::from_utf8_lossy(&again.stdout)
    );
    assert_eq!(
        proxy.lines(),
        ["GET http://registry.test/v2/web/manifests/1"]
    );
}
