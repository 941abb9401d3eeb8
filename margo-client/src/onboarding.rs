//! Becoming a client of a fleet manager of the signed generation (rc1-and-pre-draft.md sections 4.1, 6.1, 6.2 and 13).
//!
//! The fleet manager is given the device's certificate and answers with a client id, which is in the path of every later
//! request. An [`Enrolment`] asks for it when it is needed and keeps it:
//!
//! | answer | what is made of it |
//! |---|---|
//! | 201 or 200 with an id | enrolled: the id is written to disk, and then used |
//! | 202, or a success that says `pending` | to be asked again, after `Retry-After` where it is said |
//! | 409 with an id | enrolled before: that id is used |
//! | 409 without | the id that is kept for this key; without any, the operator has to say it ([`EnrolmentSettings::client_id`]) |
//! | 400 | the certificate cannot be used there |
//! | 403 | the operator has refused the device |
//!
//! The id belongs to one fleet manager, known by its URL and the keys of its anchors and pins, and to one key of the
//! device; it is never used with another. A renewed certificate is enrolled again, while the one before stays in use for as
//! long as the fleet manager does not take the new one. A kill between the answer and the write makes the device ask again,
//! which the fleet manager answers with the same id.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use margo_client::FleetApi as _;
//! use margo_client::api::Rc1Api;
//! use margo_client::identity::SigningFiles;
//! use margo_client::onboarding::{Enrolment, EnrolmentSettings};
//!
//! # async fn example() -> Result<(), margo_client::Error> {
//! let mut files = SigningFiles::new("key.pem", "certificate.pem");
//! files.ca_certificates = Some("ca.pem".into());
//! let watch = files.watch()?;
//! let url = "https://wfm.example:8084/v1alpha2/margo".parse().expect("a URL");
//! let settings = EnrolmentSettings::new(url, "enrolment.json");
//! let enrolment = Enrolment::open(settings, watch.identity().clone()).await?;
//! tokio::spawn(watch.run(Duration::from_secs(10)));
//! let api = Rc1Api::new(enrolment); // what an Agent wants
//! let _poll = api.manifest(None).await?; // enrols first
//! # Ok(())
//! # }
//! ```

mod enrolment;
mod outcome;
mod record;
mod root;

use std::path::PathBuf;

use margo_types::id::ClientId;
use serde::Serialize;
use url::Url;

use crate::api::{ApiOptions, Dialect};

pub use self::enrolment::Enrolment;
pub(crate) use self::enrolment::Member;
pub use self::root::{fetch_root, keep_root};

/// How a device enrols.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EnrolmentSettings {
    /// Where the fleet manager is, with the path prefix before `/api/v1` if it has one.
    pub url: Url,
    /// The file that keeps the client id; made when missing.
    pub record: PathBuf,
    /// How the fleet manager wants to be spoken to: [`Dialect::COMMON`].
    pub dialect: Dialect,
    /// How much an exchange may take.
    pub options: ApiOptions,
    /// The client id, where the operator of the fleet manager said it; nothing is asked then.
    pub client_id: Option<ClientId>,
}

impl EnrolmentSettings {
    /// Enrols with the fleet manager at this URL, and keeps the id in this file.
    pub fn new(url: Url, record: impl Into<PathBuf>) -> Self {
        Self {
            url,
            record: record.into(),
            dialect: Dialect::COMMON,
            options: ApiOptions::default(),
            client_id: None,
        }
    }
}

/// How far an enrolment is, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(
    tag = "state",
    rename_all = "kebab-case",
    rename_all_fields = "camelCase"
)]
#[non_exhaustive]
pub enum Standing {
    /// The fleet manager was not asked yet, or has not answered.
    Unasked,
    /// Its operator has not decided yet.
    Pending,
    /// It refused the device.
    Refused {
        /// In its words.
        why: String,
    },
    /// The device is a client.
    Enrolled {
        /// Under this id.
        client_id: ClientId,
        /// Why a renewed certificate is not taken yet.
        #[serde(skip_serializing_if = "Option::is_none")]
        renewal: Option<String>,
    },
}
