//! Fake agents send what was recorded, byte for byte.
//!
//! The files were written from the facts (rc1-and-pre-draft.md section 3; peers.md 4a and 4c) and signed by another
//! program than those under test.

use margo_conformance::interop::Profile;
use margo_types::Digest;
use margo_types::status::DeploymentState;

use super::{ED25519, HOST, agent, at, authority, deployment, recorded, recorded_client, text};

#[test]
fn agents_send_what_was_recorded() {
    let authority = authority();
    let tag = format!("\"{}\"", digest('1', 'f'));
    for profile in Profile::ALL {
        let requests = |seconds| {
            agent(profile, "https://127.0.0.1:1", &authority, ED25519)
                .known_as(HOST)
                .enrolled_as(&recorded_client(profile))
                .at(at(seconds))
                .requests()
                .clone()
        };
        let status = |seconds, state| requests(seconds).status(&deployment(), &state);
        for (name, sent) in [
            ("onboarding", requests(0).onboarding()),
            ("capabilities", requests(1).capabilities()),
            ("manifest", requests(2).manifest(None)),
            ("bundle", requests(3).bundle(&digest('2', 'a'))),
            (
                "document",
                requests(4).document(&deployment().id, &digest('3', 'b')),
            ),
            ("status-installing", status(5, DeploymentState::Installing)),
            ("status-installed", status(6, DeploymentState::Installed)),
            ("manifest-held", requests(20).manifest(Some(&tag))),
            ("status-removed", status(30, DeploymentState::Removed)),
        ] {
            let expected = recorded(profile, &format!("agent/{name}"));
            assert_eq!(text(&sent), text(&expected), "{} {name}", profile.name);
        }
    }
}

/// The digest of these two digits in turn.
fn digest(first: char, second: char) -> Digest {
    let hex = [first, second].iter().collect::<String>().repeat(32);
    Digest::parse(&format!("sha256:{hex}")).unwrap()
}
