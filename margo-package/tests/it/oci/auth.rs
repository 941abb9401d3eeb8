//! Proving who we are, and only to whom it concerns.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use margo_package::oci::{
    ArtifactStore as _, CredentialSource, Credentials, OciError, Refusal, Secret, StaticCredentials,
};

use super::fake::{Fake, Reply};
use super::{client_for, manifest_of, reference};

/// `Basic` of operator:swordfish.
const BASIC: &str = "Basic b3BlcmF0b3I6c3dvcmRmaXNo";

fn operator(host: &str) -> StaticCredentials {
    StaticCredentials::new().with(host, Credentials::password("operator", "swordfish"))
}

fn token_registry(
    service_host: &Fake,
    lifetime: u32,
) -> impl Fn(&super::fake::Seen) -> Reply + use<> {
    let _ = lifetime;
    let realm = format!("http://{}/token", service_host.host());
    move |seen| {
        if seen.header("authorization") == Some("Bearer granted") {
            return Reply::new(200, manifest_of(b"x").bytes());
        }
        let challenge = format!(
            r#"Bearer realm="{realm}",service="registry.test",scope="repository:web:pull""#
        );
        Reply::new(401, "").header("www-authenticate", challenge)
    }
}

#[tokio::test]
async fn basic_authentication_waits_until_it_is_asked_for() {
    let fake = Fake::start(|seen| match seen.header("authorization") {
        Some(BASIC) => Reply::new(200, manifest_of(b"x").bytes()),
        _ => Reply::new(401, "").header("www-authenticate", "Basic realm=\"registry\""),
    })
    .await;
    let client = client_for([&fake])
        .credentials(operator(&fake.host()))
        .build()
        .expect("a client");
    let web = reference(&fake, "web:1");
    client.pull_manifest(&web).await.expect("a manifest");
    client.pull_manifest(&web).await.expect("a manifest");
    let sent: Vec<_> = fake
        .seen()
        .iter()
        .map(|s| s.header("authorization").is_some())
        .collect();
    assert_eq!(
        sent,
        [false, true, true],
        "asked once, remembered afterwards"
    );
}

#[tokio::test]
async fn missing_and_wrong_credentials_are_refused_with_what_to_do() {
    let fake =
        Fake::start(|_| Reply::new(401, "").header("www-authenticate", "Basic realm=\"registry\""))
            .await;
    let web = reference(&fake, "web:1");
    for source in [StaticCredentials::new(), operator(&fake.host())] {
        let client = client_for([&fake])
            .credentials(source)
            .build()
            .expect("a client");
        let error = client
            .pull_manifest(&web)
            .await
            .expect_err("not authenticated");
        let OciError::PeerRefused {
            refusal: Refusal::Unauthenticated { .. },
            ..
        } = &error
        else {
            panic!("{error}");
        };
        assert!(
            error.to_string().contains("give valid credentials"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_token_is_fetched_with_the_password_and_kept() {
    let service = Fake::start(|_| Reply::new(200, r#"{"token":"granted","expires_in":300}"#)).await;
    let fake = Fake::start(token_registry(&service, 300)).await;
    let client = client_for([&fake, &service])
        .credentials(operator(&fake.host()))
        .build();
    let client = client.expect("a client");
    let web = reference(&fake, "web:1");
    client.pull_manifest(&web).await.expect("a manifest");
    client.pull_manifest(&web).await.expect("a manifest");

    let asked = service.seen();
    assert_eq!(asked.len(), 1, "the token is kept");
    assert_eq!(
        asked[0].target,
        "/token?service=registry.test&scope=repository%3Aweb%3Apull"
    );
    assert_eq!(asked[0].header("authorization"), Some(BASIC));
    assert!(
        fake.seen()
            .iter()
            .all(|seen| seen.header("authorization") != Some(BASIC))
    );
}

#[tokio::test]
async fn a_token_that_runs_out_is_fetched_again() {
    let service =
        Fake::start(|_| Reply::new(200, r#"{"access_token":"granted","expires_in":1}"#)).await;
    let fake = Fake::start(token_registry(&service, 1)).await;
    let client = client_for([&fake, &service]).build().expect("a client");
    let web = reference(&fake, "web:1");
    client.pull_manifest(&web).await.expect("a manifest");
    client.pull_manifest(&web).await.expect("a manifest");
    assert_eq!(service.seen().len(), 2);
    assert!(
        service.seen()[0].header("authorization").is_none(),
        "anonymous"
    );
}

#[tokio::test]
async fn a_refresh_token_is_posted() {
    let service = Fake::start(|_| Reply::new(200, r#"{"access_token":"granted"}"#)).await;
    let fake = Fake::start(token_registry(&service, 60)).await;
    let source = StaticCredentials::new().with(
        &fake.host(),
        Credentials::RefreshToken(Secret::from("long-lived+secret")),
    );
    let client = client_for([&fake, &service])
        .credentials(source)
        .build()
        .expect("a client");
    client
        .pull_manifest(&reference(&fake, "web:1"))
        .await
        .expect("a manifest");
    let asked = &service.seen()[0];
    assert_eq!(
        (asked.method.as_str(), asked.target.as_str()),
        ("POST", "/token")
    );
    assert_eq!(
        String::from_utf8_lossy(&asked.body),
        "grant_type=refresh_token&service=registry.test&scope=repository%3Aweb%3Apull\
         &client_id=margo-package&refresh_token=long-lived%2Bsecret"
    );
}

#[tokio::test]
async fn the_password_goes_to_no_token_service_over_plain_http() {
    let service = Fake::start(|_| Reply::new(200, r#"{"token":"granted"}"#)).await;
    let fake = Fake::start(token_registry(&service, 60)).await;
    // Plain HTTP is allowed to the registry only.
    let client = client_for([&fake])
        .credentials(operator(&fake.host()))
        .build()
        .expect("a client");
    let error = client
        .pull_manifest(&reference(&fake, "web:1"))
        .await
        .expect_err("not HTTPS");
    assert!(error.to_string().contains("it is not HTTPS"), "{error}");
    assert_eq!(service.seen().len(), 0);
}

#[tokio::test]
async fn a_token_service_that_says_no_is_named() {
    let service = Fake::start(|_| {
        Reply::new(
            401,
            r#"{"errors":[{"code":"DENIED","message":"wrong password"}]}"#,
        )
    })
    .await;
    let fake = Fake::start(token_registry(&service, 60)).await;
    let client = client_for([&fake, &service])
        .credentials(operator(&fake.host()))
        .build();
    let client = client.expect("a client");
    let error = client
        .pull_manifest(&reference(&fake, "web:1"))
        .await
        .expect_err("refused");
    let text = error.to_string();
    assert!(
        text.contains(&format!("token service http://{}", service.host())),
        "{text}"
    );
    assert!(text.contains("wrong password"), "{text}");
    assert!(!text.contains("swordfish"), "{text}");
}

#[tokio::test]
async fn credentials_are_asked_for_by_registry_and_never_printed() {
    #[derive(Debug)]
    struct Counting(Arc<AtomicUsize>);

    #[async_trait::async_trait]
    impl CredentialSource for Counting {
        async fn credentials(&self, _: &str) -> Result<Option<Credentials>, OciError> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Ok(None)
        }
    }

    let asked = Arc::new(AtomicUsize::new(0));
    let fake = Fake::start(|_| Reply::new(200, manifest_of(b"x").bytes())).await;
    let source = Counting(Arc::clone(&asked));
    let client = client_for([&fake])
        .credentials(source)
        .build()
        .expect("a client");
    client
        .pull_manifest(&reference(&fake, "web:1"))
        .await
        .expect("a manifest");
    assert_eq!(
        asked.load(Ordering::Relaxed),
        0,
        "an open registry needs none"
    );

    let all = format!(
        "{:?}{:?}{:?}",
        operator("registry.example"),
        Credentials::RefreshToken(Secret::from("swordfish")),
        client_for([&fake])
            .credentials(operator("registry.example"))
            .build()
            .expect("a client")
    );
    assert!(!all.contains("swordfish"), "{all}");
}
