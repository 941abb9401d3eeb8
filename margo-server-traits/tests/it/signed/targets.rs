//! Where a request was sent to, as the client wrote it.

use margo_server_traits::proxy::Origin;
use margo_server_traits::signed::PublicUrl;
use margo_types::signature::Profile;

use super::device::Sent;
use super::{MANIFEST_OF_1, Plant, Proxy};

fn poll() -> Sent {
    Sent::get(MANIFEST_OF_1)
}

fn with_urls(urls: &[&str]) -> Plant {
    let urls = urls.iter().map(|url| PublicUrl::parse(url).unwrap());
    Plant::with(|options| options.public_urls = urls.collect())
}

#[tokio::test]
async fn default_port_and_case_make_no_difference() {
    let plant = Plant::new();
    for (base, host) in [
        ("https://wfm.example", "wfm.example"),
        ("https://wfm.example:443", "wfm.example"),
        ("https://wfm.example", "wfm.example:443"),
        ("https://WFM.example", "WFM.example"),
        ("https://wfm.example", "WFM.Example"),
        ("https://[::1]:8443", "[::1]:8443"),
    ] {
        let sent = poll().to(base).with("host", host).signed(&plant.press_1);
        plant.send(sent).await.is(200);
    }
    for (base, host) in [
        ("http://wfm.example", "wfm.example"),
        ("https://wfm.example:8443", "wfm.example"),
        ("https://wfm.example", "other.example"),
    ] {
        let sent = poll().to(base).with("host", host).signed(&plant.press_1);
        let answer = plant.send(sent).await;
        answer.is_problem(401, "signature-verification-failed");
    }
}

#[tokio::test]
async fn authority_as_it_is_configured_is_what_some_sign() {
    let plant = Plant::new();
    // `@authority` in capitals with the default port, which RFC 9421 would have without.
    let (base, host) = ("https://WFM.example:443", "WFM.example:443");
    let headers = {
        let target = format!("{base}{MANIFEST_OF_1}");
        let parts = margo_types::auth::RequestParts::new("GET", &target, |_| vec![]);
        let parts = parts.with_authority(host);
        let now = jiff::Timestamp::now();
        let signing = margo_types::signature::Signing::new(&plant.press_1.key, now);
        let signing = signing.profile(Profile::SANDBOX_9421_2026);
        signing.sign(&parts, b"").unwrap()
    };
    let mut sent = poll().with("host", host);
    for (name, value) in headers.iter() {
        sent = sent.with(name, value);
    }
    plant.send(sent).await.is(200);
}

#[tokio::test]
async fn absolute_form_says_it_all() {
    let plant = Plant::new();
    let signed = poll().to("http://wfm.example:80").signed(&plant.press_1);
    let absolute = format!("http://wfm.example{MANIFEST_OF_1}");
    plant.send(signed.path(&absolute)).await.is(200);
}

#[tokio::test]
async fn public_url_is_what_clients_have_in_their_settings() {
    let plant = with_urls(&[
        "https://wfm.example/v1alpha2/margo",
        "https://10.0.0.7:8443",
    ]);
    let base = "https://wfm.example/v1alpha2/margo";
    let signed = || poll().to(base).signed(&plant.press_1);
    // A proxy has taken the prefix off, and put its own name for this server in.
    plant
        .send(signed().with("host", "inner:3000"))
        .await
        .is(200);
    plant
        .send(signed().with("host", "wfm.example"))
        .await
        .is(200);
    // Nothing is in between.
    let whole = format!("/v1alpha2/margo{MANIFEST_OF_1}");
    let sent = signed().with("host", "wfm.example").path(&whole);
    plant.send(sent).await.is(200);

    let other = poll().to("https://10.0.0.7:8443").signed(&plant.press_1);
    plant
        .send(other.with("host", "10.0.0.7:8443"))
        .await
        .is(200);

    // What was signed for another fleet manager is no good here, whatever it says about the host.
    let elsewhere = poll().to("https://other.example").signed(&plant.press_1);
    let answer = plant.send(elsewhere.with("host", "other.example")).await;
    answer.is_problem(401, "signature-verification-failed");
}

#[tokio::test]
async fn trusted_proxy_is_believed_and_nobody_else() {
    let plant = Plant::new();
    let signed = || {
        let sent = poll().to("https://wfm.example").with("host", "inner:3000");
        sent.signed(&plant.press_1)
    };
    let rfc_7239 = r#"for=192.0.2.1;proto=https;host="wfm.example""#;
    for forwarded in [
        &[("forwarded", rfc_7239)][..],
        &[
            ("x-forwarded-host", "wfm.example"),
            ("x-forwarded-proto", "https"),
        ],
        &[("x-forwarded-host", "evil.example, wfm.example")],
    ] {
        let sent = || {
            let headers = forwarded.iter();
            headers.fold(signed(), |sent, (name, value)| sent.with(name, value))
        };
        let proxied = plant.send_from(sent(), |known| {
            known.insert(Proxy);
        });
        proxied.await.is(200);
        let answer = plant.send(sent()).await;
        answer.is_problem(401, "signature-verification-failed");
    }
}

#[tokio::test]
async fn server_may_know_better() {
    let plant = Plant::new();
    let sent = poll().to("http://wfm.example:8080").signed(&plant.press_1);
    let answer = plant.send(sent.clone()).await;
    answer.is_problem(401, "signature-verification-failed");
    let known = plant.send_from(sent, |known| {
        known.insert(Origin::new("http", "wfm.example:8080"));
    });
    known.await.is(200);
}
