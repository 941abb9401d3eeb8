//! Rules of discovery document and trust bundle (rc3.md section 7.4, requirements C18, C19, C22).
//!
//! Unknown members are ignored by rule, so they are not even warned of.

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
        if !self.keys.iter().any(BundleKey::is_for_x509_svids) {
            at.report(
                &ANCHORS,
                "no key is the anchor of X.509-SVIDs",
                "write a key with the use x509-svid and its certificate in x5c",
            );
        }
        // Keys for any other use are ignored.
        for (index, key) in self.keys.iter().enumerate() {
            if key.is_for_x509_svids()
                && let Err(invalid) = key.anchor(index)
            {
                let fix = "write one certificate, the anchor, as the base64 of its DER";
                at.index(index)
                    .key("x5c")
                    .report(&CERTIFICATE, invalid.to_string(), fix);
            }
        }
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
        "a key has one certificate, the anchor, as the base64 of DER";
}
