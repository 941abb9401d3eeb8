//! Whatever is refused is in the log, with the reason and who has sent it.

use std::time::Duration;

use margo_conformance::authority::Authority;

use super::{Plant, domain};
use crate::log::Log;

const ASK: &str = "GET / HTTP/1.1\r\nHost: wfm.example\r\n";

#[tokio::test]
async fn what_is_no_request_is_logged_with_the_reason() {
    let (log, _guard) = Log::of_this_thread();
    let plant = Plant::start(|options| options.header_timeout = Duration::from_secs(1)).await;
    let client = plant.client("device-1");
    let head = format!("{ASK}X: {}\r\n\r\n", "x".repeat(40_000));
    for (sent, reason) in [
        ("\u{1}\u{2}\r\n\r\n", "invalid HTTP"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP"),
        (&format!("{ASK}no header\r\n\r\n"), "header"),
        (
            &format!("{ASK}Content-Length: -1\r\n\r\n"),
            "content-length",
        ),
        (&head, "too large"),
        ("GET / HTTP/1.1\r\n\r\n", "without one host"),
        (
            &format!("{ASK}Host: other.example\r\n\r\n"),
            "without one host",
        ),
        ("GET / HTTP/1.1\r\nHo", "took longer than 1s"),
    ] {
        let mut device = plant.connect(&client).await;
        device.exchange(sent.as_bytes()).await;
        let said = log.news();
        assert!(said.contains("refused"), "{sent:.80}: {said}");
        assert!(said.contains(reason), "{sent:.80}: {said}");
        assert!(said.contains(client.id().as_str()), "{sent:.80}: {said}");
    }
}

#[tokio::test]
async fn a_client_that_is_not_served_any_more_is_logged_with_the_reason() {
    let (log, _guard) = Log::of_this_thread();
    let plant = Plant::start(|_| {}).await;
    let client = plant.client("device-1");
    let mut device = plant.connect(&client).await;
    assert!(device.ask().await.is_ok());
    assert_eq!(log.news(), "");
    let new = Authority::new(&domain());
    plant.identity.replace_bundle(&new.bundle()).unwrap();
    assert!(device.ask().await.is_err());
    let said = log.news();
    assert!(said.contains("leads to no trust anchor"), "{said}");
    assert!(said.contains(client.id().as_str()), "{said}");
}
