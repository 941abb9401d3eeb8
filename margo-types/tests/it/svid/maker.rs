//! Authorities with keys and lifetimes of any kind, for what a well-behaved authority never issues.

use std::time::SystemTime;

use jiff::Timestamp;
use margo_conformance::authority::rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, SanType,
};
use margo_types::trust::Anchor;
use rustls_pki_types::CertificateDer;

use super::{DAY, client};

pub(super) struct Maker {
    issuer: Issuer<'static, KeyPair>,
    /// Its own certificate and those above it, without the root; the root alone for a root.
    chain: Vec<CertificateDer<'static>>,
    is_root: bool,
}

impl Maker {
    pub(super) fn root(key: KeyPair, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = authority("root");
        change(&mut params);
        let certificate = params.self_signed(&key).unwrap();
        Self {
            chain: vec![certificate.der().clone()],
            issuer: Issuer::new(params, key),
            is_root: true,
        }
    }

    pub(super) fn intermediate(
        &self,
        key: KeyPair,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Self {
        let mut params = authority("intermediate");
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Self {
            chain: self.below(certificate.der().clone()),
            issuer: Issuer::new(params, key),
            is_root: false,
        }
    }

    pub(super) fn anchors(&self) -> Vec<Anchor> {
        vec![Anchor::from_der(self.chain[0].to_vec()).unwrap()]
    }

    /// A leaf as it is presented.
    pub(super) fn leaf(
        &self,
        key: &KeyPair,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Vec<CertificateDer<'static>> {
        let mut params = leaf();
        change(&mut params);
        let certificate = params.signed_by(key, &self.issuer).unwrap();
        self.below(certificate.der().clone())
    }

    pub(super) fn pem(&self, key: &KeyPair) -> String {
        let leaf = leaf().signed_by(key, &self.issuer).unwrap();
        leaf.pem()
    }

    fn below(&self, certificate: CertificateDer<'static>) -> Vec<CertificateDer<'static>> {
        let above = if self.is_root { &[][..] } else { &self.chain };
        [&[certificate], above].concat()
    }
}

pub(super) fn p256() -> KeyPair {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap()
}

pub(super) fn uri(text: &str) -> SanType {
    SanType::URI(text.try_into().unwrap())
}

/// The lifetime from `start` to `end`, both counted from now.
pub(super) fn lifetime(params: &mut CertificateParams, start: i64, end: i64) {
    let now = Timestamp::now().as_second();
    let at = |offset| SystemTime::from(Timestamp::from_second(now + offset).unwrap());
    params.not_before = at(start).into();
    params.not_after = at(end).into();
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    lifetime(&mut params, -day(1), day(1));
    params
}

fn leaf() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![uri(client("wfm-1", "client-1").as_str())];
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    lifetime(&mut params, -day(1), day(1));
    params
}

pub(super) fn day(count: i64) -> i64 {
    count * i64::try_from(DAY.as_secs()).unwrap()
}
