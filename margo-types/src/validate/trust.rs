//! Rules of discovery document and trust bundle (rc3.md section 7.4, requirements C18, C19, C22).
//!
//! Unknown members are ignored by rule, so they are not even warned of.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use url::Url;

use super::Validate;
use super::place::Place;
use super::rule::rule_table;
use crate::text::shorten;
use crate::trust::{BundleKey, DiscoveryDocument, TrustBundle};

impl Validate for DiscoveryDocument {
    fn check(&self, at: &Place<'_>) {
        let at = at.key("trustBundleUri");
        let uri = &self.trust_bundle_uri;
        if uri.strip_prefix("https://").is_none_or(str::is_empty) {
            at.report(
                &HTTPS,
                format!("{:?} is no https URL", shorten(uri)),
                "write a URL that starts with https://",
            );
        } else if Url::parse(uri).is_err() {
            at.report(
                &URI,
                format!("{:?} is no URL", shorten(uri)),
                "write a URL such as https://mis.example/bundle.json",
            );
        }
    }
}

impl Validate for TrustBundle {
    fn check(&self, at: &Place<'_>) {
        let at = at.key("keys");
        let is_anchor = |key: &BundleKey| is_for_x509(key) && key.x5c.is_some();
        if !self.keys.iter().any(is_anchor) {
            at.report(
                &ANCHORS,
                "no key is the anchor of X.509-SVIDs",
                "write a key with the use x509-svid and its certificate in x5c",
            );
        }
        // Keys for any other use are ignored.
        at.each(&self.keys, |at, key| {
            if is_for_x509(key) {
                certificates(at, key.x5c.as_deref());
            }
        });
    }
}

fn is_for_x509(key: &BundleKey) -> bool {
    key.key_use.as_deref() == Some("x509-svid")
}

fn certificates(at: &Place<'_>, certificates: Option<&[String]>) {
    let x5c = at.key("x5c");
    match certificates {
        None | Some([]) => x5c.report(
            &CERTIFICATE,
            "the certificate is missing",
            "write the base64 of the DER of the anchor",
        ),
        Some([first, others @ ..]) => {
            if !is_certificate(first) {
                x5c.index(0).report(
                    &CERTIFICATE,
                    "this is not the base64 of a DER certificate",
                    "write the base64 of the DER of the anchor, without line breaks",
                );
            }
            if !others.is_empty() {
                x5c.report(
                    &INTERMEDIATES,
                    "there are certificates beside the anchor, which are ignored",
                    "write the anchor only, and another anchor as another key",
                );
            }
        }
    }
}

fn is_certificate(text: &str) -> bool {
    STANDARD.decode(text).is_ok_and(|der| is_der_sequence(&der))
}

/// Whether the bytes are exactly one DER SEQUENCE, as every certificate is.
pub(super) fn is_der_sequence(der: &[u8]) -> bool {
    let [0x30, length, rest @ ..] = der else {
        return false;
    };
    if *length < 0x80 {
        return usize::from(*length) == rest.len();
    }
    let digits = usize::from(*length & 0x7f);
    match rest.split_at_checked(digits) {
        Some((length, content)) if (1..=4).contains(&digits) => {
            let length = length
                .iter()
                .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
            length == content.len()
        }
        _ => false,
    }
}

rule_table! {
    HTTPS: Error in schema, "discovery.https", "rc3.md 7.4, C18",
        "the URI of the trust bundle starts with https://";
    URI: Error, "discovery.uri", "rc3.md 7.4",
        "the URI of the trust bundle is a URL";
    ANCHORS: Error, "bundle.anchors", "rc3.md 7.4, C19",
        "a bundle has an anchor of X.509-SVIDs";
    CERTIFICATE: Error, "bundle.certificate", "rc3.md 7.4, I4",
        "the certificate of an anchor is the base64 of DER";
    INTERMEDIATES: Warning, "bundle.intermediates", "rc3.md 7.4",
        "a key has one certificate, the anchor";
}
