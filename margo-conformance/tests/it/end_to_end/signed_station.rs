//! A machine whose agent signs its requests.

use std::fs;
use std::path::PathBuf;

use margo_client::Agent;
use margo_client::agent::AgentBuilder;
use margo_client::api::{Dialect, Rc1Api};
use margo_client::identity::{SigningFiles, SigningWatch};
use margo_client::onboarding::{Enrolment, EnrolmentSettings};
use margo_conformance::authority::{Authority, IssuedSvid, Lifetime};
use serde_json::Value;

use super::files::{GLANCE, Plant};
use super::station::{Running, Station};

/// A machine with a key and a certificate of its own, and the root of its fleet manager.
#[derive(Debug)]
pub(super) struct SignedStation {
    pub(super) station: Station,
    pub(super) dialect: Dialect,
    folder: PathBuf,
}

impl SignedStation {
    pub(super) fn new(plant: &Plant, name: &str, dialect: Dialect) -> Self {
        let folder = plant.folder(name);
        let new = Self {
            station: Station::at(&folder, name),
            dialect,
            folder,
        };
        let issued = plant.authority.issue_server(&["line"], Lifetime::default());
        new.renew(&issued);
        new.trust(&plant.authority);
        new
    }

    /// Takes this key and its certificate, one after the other: for a moment they do not belong together.
    pub(super) fn renew(&self, issued: &IssuedSvid) {
        fs::write(self.folder.join(CERTIFICATE), &issued.chain_pem).unwrap();
        fs::write(self.folder.join(KEY), &issued.key_pem).unwrap();
    }

    /// Takes servers of this authority for the fleet manager.
    pub(super) fn trust(&self, authority: &Authority) {
        let (root, _) = authority.to_pem();
        fs::write(self.folder.join(ROOT), root).unwrap();
    }

    /// What it keeps of its enrolment.
    pub(super) fn record(&self) -> Value {
        let text = fs::read(self.folder.join(RECORD)).unwrap();
        serde_json::from_slice(&text).unwrap()
    }

    /// Loses what it keeps of its enrolment.
    pub(super) fn lose_record(&self) {
        fs::remove_file(self.folder.join(RECORD)).unwrap();
    }

    pub(super) async fn start(&self, url: &str) -> Running {
        let (builder, watch) = self.agent(url).await;
        let agent: Agent = builder.build().await.unwrap();
        Running::new(agent, None, watch.run(GLANCE))
    }

    /// An agent that is quick to do everything.
    pub(super) async fn agent(&self, url: &str) -> (AgentBuilder, SigningWatch) {
        let file = |name| self.folder.join(name);
        let mut files = SigningFiles::new(file(KEY), file(CERTIFICATE));
        files.ca_certificates = Some(file(ROOT));
        let watch = files.watch().unwrap();
        let mut settings = EnrolmentSettings::new(url.parse().unwrap(), file(RECORD));
        settings.dialect = self.dialect;
        let identity = watch.identity().clone();
        let enrolment = Enrolment::open(settings, identity).await.unwrap();
        let owner = enrolment.owner();
        let api = Rc1Api::new(enrolment);
        (self.station.agent_over(api, &owner).await, watch)
    }
}

const KEY: &str = "signing-key.pem";
const CERTIFICATE: &str = "certificate.pem";
const ROOT: &str = "root.pem";
const RECORD: &str = "enrolment.json";
