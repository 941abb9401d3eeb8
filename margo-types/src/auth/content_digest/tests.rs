use proptest::{collection::vec, prelude::*};

use super::*;

const MARGO: &str = "sha-256=:FTAT49pXRF+/Snmu0qFNQC8pprn1lBVPHI71uXQQ184=:";
/// RFC 9421, appendix B.2, over `{"hello": "world"}`.
const WORLD: &str = "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:";

#[test]
fn pinned_digests() {
    assert_eq!(
        ContentDigest::sha256(br#"{"hello": "margo"}"#).to_string(),
        MARGO
    );
    assert_eq!(
        ContentDigest::sha512(br#"{"hello": "world"}"#).to_string(),
        WORLD
    );
    assert_eq!(
        ContentDigest::sha256(b"").to_string(),
        "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"
    );
}

#[test]
fn digest_of_the_base64_of_the_body_is_refused() {
    // Contradiction 1: the reading of the earlier proposal.
    let digest =
        ContentDigest::parse("sha-256=:Dla6UO3SEfzjHVrBGEv0/tCrMdKl/GjTNA90Ea9HH7g=:").unwrap();
    assert_eq!(
        digest.verify(br#"{"hello": "margo"}"#),
        Err(DigestError::Mismatch {
            algorithm: "sha-256"
        })
    );
}

#[test]
fn unknown_algorithms_are_kept_and_ignored() {
    let header = format!("blake9=:AAEC:, {MARGO}");
    let digest = ContentDigest::parse(&header).unwrap();
    assert_eq!(digest.verify(br#"{"hello": "margo"}"#), Ok(()));
    assert_eq!(
        digest.algorithms().collect::<Vec<_>>(),
        ["blake9", "sha-256"]
    );
    assert_eq!(digest.get("blake9"), Some(&[0, 1, 2][..]));
    assert_eq!(digest.get("md5"), None);
    assert_eq!(digest.to_string(), header);
}

#[test]
fn a_body_is_not_verified_without_an_understood_algorithm() {
    let digest = ContentDigest::parse("blake9=:AAEC:, md5=:AAEC:").unwrap();
    assert_eq!(digest.verify(b""), Err(DigestError::NoSupportedAlgorithm));
}

#[test]
fn every_understood_digest_must_match() {
    let right = ContentDigest::sha256(b"body");
    let wrong = ContentDigest::sha512(b"other");
    for header in [format!("{right}, {wrong}"), format!("{wrong}, {right}")] {
        assert_eq!(
            ContentDigest::parse(header).unwrap().verify(b"body"),
            Err(DigestError::Mismatch {
                algorithm: "sha-512"
            })
        );
    }
}

#[test]
fn one_flipped_bit_is_noticed_wherever_it_is() {
    let digest = ContentDigest::sha256(b"body");
    for bit in 0..256 {
        let mut flipped = digest.clone();
        flipped.members[0].1[bit / 8] ^= 1 << (bit % 8);
        assert!(flipped.verify(b"body").is_err(), "bit {bit}");
    }
}

#[test]
fn an_algorithm_named_twice_is_refused() {
    let header = format!("{MARGO}, sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:");
    assert_eq!(
        ContentDigest::parse(header).unwrap_err().to_string(),
        "Content-Digest names sha-256 twice; name it once"
    );
}

#[test]
fn a_digest_of_the_wrong_length_or_type_is_refused() {
    for header in [
        "sha-256=:AAEC:",
        "sha-256=::",
        "sha-256=\"AAEC\"",
        "sha-512=12",
        "blake9=token",
    ] {
        assert!(
            matches!(ContentDigest::parse(header), Err(FieldError::Value { .. })),
            "{header}"
        );
    }
}

#[test]
fn malformed_headers_are_refused() {
    for header in [
        "",
        " ",
        ",",
        "sha-256",
        "sha-256=",
        "sha-256=:A",
        "SHA-256=:AAEC:",
        "md5=:AA:,",
        "md5= :AA:",
        "md5=:ü:",
    ] {
        assert!(
            matches!(ContentDigest::parse(header), Err(FieldError::Syntax { .. })),
            "{header}"
        );
    }
}

#[test]
fn sizes_are_bounded() {
    let nine: Vec<String> = (0..9).map(|n| format!("x{n}=:AA==:")).collect();
    assert!(ContentDigest::parse(nine[..8].join(",")).is_ok());
    assert!(matches!(
        ContentDigest::parse(nine.join(",")),
        Err(FieldError::TooMany { limit: 8, .. })
    ));
    assert!(matches!(
        ContentDigest::parse(format!("x=:{}:", "A".repeat(1 << 20))),
        Err(FieldError::TooLong { limit: 8192, .. })
    ));
}

proptest! {
    #[test]
    fn what_is_written_reads_the_same(body: Vec<u8>, other in vec(any::<u8>(), 0..80)) {
        let mut digest = ContentDigest::sha256(&body);
        digest.members.push(("x-other".to_owned(), other));
        let read = ContentDigest::parse(digest.to_string()).unwrap();
        prop_assert_eq!(&read, &digest);
        prop_assert_eq!(read.verify(&body), Ok(()));
    }

    #[test]
    fn arbitrary_bytes_never_panic(header: Vec<u8>) {
        let _ = ContentDigest::parse(header);
    }

    #[test]
    fn arbitrary_near_misses_never_panic(header in r#"(sha-(256|512)|[a-z]{1,3})[=:;,"\\ \tA-Za-z0-9+/?%@()-]{0,90}"#) {
        if let Ok(digest) = ContentDigest::parse(header) {
            prop_assert_eq!(ContentDigest::parse(digest.to_string()).unwrap(), digest);
        }
    }
}
