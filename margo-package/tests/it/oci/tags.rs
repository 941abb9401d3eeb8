//! Lists of tags, as differently as registries give them.

use margo_package::oci::ArtifactStore as _;
use serde_json::json;

use super::fake::{Fake, Reply};
use super::{client_for, reference};

fn page(tags: &[&str]) -> Reply {
    Reply::new(200, json!({ "name": "web", "tags": tags }).to_string())
}

#[tokio::test]
async fn pages_are_followed_and_tags_sorted_each_once() {
    let fake = Fake::start(|seen| match seen.target.as_str() {
        "/v2/web/tags/list?n=1000" => page(&["2.0.0", "1.0.0"])
            .header("link", r#"</v2/web/tags/list?last=x&n=2>; rel="next""#),
        "/v2/web/tags/list?last=x&n=2" => {
            page(&["1.0.0", "1.1.0"]).header("link", "<?last=y>; rel=next")
        }
        "/v2/web/tags/list?last=y" => page(&["0.9.0", "not a tag"]),
        other => panic!("{other}"),
    })
    .await;
    let client = client_for([&fake]).build().expect("a client");
    let tags = client.tags(&reference(&fake, "web")).await.expect("tags");
    assert_eq!(tags, ["0.9.0", "1.0.0", "1.1.0", "2.0.0"]);
}

#[tokio::test]
async fn a_page_that_comes_again_and_again_ends_the_list() {
    let fake = Fake::start(|_| {
        page(&["1.0.0"]).header("link", r#"</v2/web/tags/list?n=1000>; rel="next""#)
    })
    .await;
    let client = client_for([&fake]).build().expect("a client");
    assert_eq!(
        client.tags(&reference(&fake, "web")).await.expect("tags"),
        ["1.0.0"]
    );
    assert_eq!(fake.seen().len(), 2);
}

#[tokio::test]
async fn a_full_page_without_a_link_is_asked_for_more() {
    let fake = Fake::start(|seen| {
        let first = if seen.target.contains("last=") {
            1000
        } else {
            0
        };
        let tags: Vec<String> = (first..1000 + first / 100)
            .map(|n| format!("{n:04}"))
            .collect();
        page(&tags.iter().map(String::as_str).collect::<Vec<_>>())
    })
    .await;
    let client = client_for([&fake]).build().expect("a client");
    assert_eq!(
        client
            .tags(&reference(&fake, "web"))
            .await
            .expect("tags")
            .len(),
        1010
    );
    assert_eq!(fake.seen()[1].target, "/v2/web/tags/list?n=1000&last=0999");
}

#[tokio::test]
async fn a_link_elsewhere_is_not_followed() {
    let thief = Fake::start(|_| page(&["evil"])).await;
    for target in [
        format!("http://{}/v2/web/tags/list", thief.host()),
        "/v2/other/tags/list".into(),
    ] {
        let fake = Fake::start(move |_| {
            page(&["1.0.0"]).header("link", format!(r#"<{target}>; rel="next""#))
        })
        .await;
        let client = client_for([&fake, &thief]).build().expect("a client");
        let error = client
            .tags(&reference(&fake, "web"))
            .await
            .expect_err("a foreign link");
        assert!(
            error.to_string().contains("leads away from this list"),
            "{error}"
        );
    }
    assert_eq!(thief.seen().len(), 0);
}

#[tokio::test]
async fn pages_without_end_are_given_up() {
    let fake = Fake::start(|seen| {
        page(&[&format!("t{}", seen.number)]).header(
            "link",
            format!(r#"</v2/web/tags/list?last={}>; rel="next""#, seen.number),
        )
    })
    .await;
    let client = client_for([&fake]).build().expect("a client");
    let error = client
        .tags(&reference(&fake, "web"))
        .await
        .expect_err("too many");
    assert!(
        error.to_string().contains("more than 1000 pages of tags"),
        "{error}"
    );
}

#[tokio::test]
async fn no_tags_may_be_null() {
    let fake = Fake::start(|_| Reply::new(200, r#"{"name":"web","tags":null}"#)).await;
    let client = client_for([&fake]).build().expect("a client");
    assert!(
        client
            .tags(&reference(&fake, "web"))
            .await
            .expect("tags")
            .is_empty()
    );
}
