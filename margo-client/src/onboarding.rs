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

mod outcome;
mod record;
mod root;

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex as Quick, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use margo_types::endpoint::{PathCaller, Route};
use margo_types::id::ClientId;
use margo_types::{Digest, SpecVersion};
use serde::Serialize;
use tokio::sync::Mutex;
use tokio::time::Instant;
use url::Url;

use self::outcome::Outcome;
use self::record::{Record, RecordedClient};
use crate::api::{ApiOptions, Dialect};
use crate::error::{Error, ErrorKind};
use crate::exchange::{Bounds, Call};
use crate::identity::{Material, SigningIdentity};
use crate::location::Location;
use crate::signed::Channel;
use crate::state::Owner;

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

/// What a device is to its fleet manager. Clones are one enrolment.
#[derive(Clone)]
pub struct Enrolment(Arc<Inner>);

struct Inner {
    channel: Channel,
    file: PathBuf,
    client_id: Option<ClientId>,
    owner: Owner,
    /// Held while the fleet manager is asked: by one request, for all that wait for it.
    known: Mutex<Known>,
    standing: Quick<Standing>,
    /// Whether the fleet manager seems to have forgotten the client.
    doubted: AtomicBool,
}

/// What is known of the client.
struct Known {
    record: Record,
    /// Whether the file does not have it yet.
    unsaved: bool,
    /// Who the client was in the last request.
    member: Option<Arc<Member>>,
    /// Which certificate was asked for last, and when a client that has an id may ask for it again.
    asked: Option<(Digest, Instant)>,
}

/// A client with an id, and the key that the fleet manager knows it by.
pub(crate) struct Member {
    pub(crate) id: ClientId,
    pub(crate) material: Arc<Material>,
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

impl Enrolment {
    /// Reads what is kept; asks nobody.
    ///
    /// # Errors
    /// [`ErrorKind::Setup`] when the URL is not plain `https` or nobody could be recognised by the identity's trust;
    /// [`ErrorKind::State`] when the file is damaged, or cannot be read or written.
    pub async fn open(
        settings: EnrolmentSettings,
        identity: SigningIdentity,
    ) -> Result<Self, Error> {
        let EnrolmentSettings {
            url,
            record: file,
            dialect,
            options,
            client_id,
        } = settings;
        let material = identity.current();
        let channel = Channel::new(Location::new(url)?, identity, dialect, options)?;
        let url = channel.location.as_str().to_owned();
        let record = Record::open(file.clone(), url, Arc::clone(&material)).await?;
        let owner = Owner::of_enrolled(&record.url, &record.first_key);
        let kept = record.client_of(&material).map(|client| client.id.clone());
        let standing = match client_id.clone().or(kept) {
            None => Standing::Unasked,
            Some(client_id) => Standing::Enrolled {
                client_id,
                renewal: None,
            },
        };
        Ok(Self(Arc::new(Inner {
            channel,
            file,
            client_id,
            owner,
            known: Mutex::new(Known {
                record,
                unsaved: false,
                member: None,
                asked: None,
            }),
            standing: Quick::new(standing),
            doubted: AtomicBool::new(false),
        })))
    }

    /// Whose the deployment state of this client is: bound to the fleet manager and to the key that the client had first,
    /// so that a renewed key or another id does not lose it.
    pub fn owner(&self) -> Owner {
        self.0.owner.clone()
    }

    /// How far it is.
    pub fn standing(&self) -> Standing {
        let standing = self.0.standing.lock();
        standing.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The client id; asks the fleet manager for it unless it is known and the certificate is the one it was given for.
    ///
    /// # Errors
    /// Why there is none: [`is_retryable`](Error::is_retryable) while the operator has not decided, with the wait that the
    /// fleet manager asks for.
    pub async fn client_id(&self) -> Result<ClientId, Error> {
        Ok(self.member().await?.id.clone())
    }

    pub(crate) fn channel(&self) -> &Channel {
        &self.0.channel
    }

    /// The fleet manager seems not to know the client any more: it is asked again, now and then.
    pub(crate) fn doubt(&self) {
        self.0.doubted.store(true, Ordering::Relaxed);
    }

    /// Who asks in the next request.
    pub(crate) async fn member(&self) -> Result<Arc<Member>, Error> {
        let inner = &*self.0;
        let material = inner.channel.identity().current();
        let mut known = inner.known.lock().await;
        if let Some(id) = &inner.client_id {
            return Ok(known.settle(id, material));
        }
        known.unsaved |= known.record.follow(&material);
        if known.unsaved {
            known.save(&inner.file).await?;
        }
        let kept = known.record.client_of(&material).cloned();
        let is_current = |client: &RecordedClient| client.certificate == material.digest();
        let is_doubted = inner.doubted.load(Ordering::Relaxed);
        if let Some(client) = &kept
            && is_current(client)
            && !is_doubted
        {
            let client_id = client.id.clone();
            let member = known.settle(&client_id, material);
            inner.stand(Standing::Enrolled {
                client_id,
                renewal: None,
            });
            return Ok(member);
        }
        // Who can go on meanwhile: the same key with the certificate before, or the key before.
        let meanwhile = match &kept {
            Some(client) => Some(known.settle(&client.id.clone(), Arc::clone(&material))),
            None if known.record.is_of(&material) => known.member.clone(),
            None => None,
        };
        let certificate = material.digest();
        let is_soon = known
            .asked
            .is_some_and(|(asked, until)| asked == certificate && Instant::now() < until);
        if let Some(member) = meanwhile.clone().filter(|_| is_soon) {
            return Ok(member);
        }
        let asked = inner.ask(&material, kept.as_ref()).await;
        let wait = wait_after(asked.as_ref().err());
        known.asked = Some((certificate, Instant::now() + wait));
        inner.doubted.store(false, Ordering::Relaxed);
        match (asked, meanwhile) {
            (Ok(id), _) => {
                let before = known.record.last_id(&material);
                inner.note_change(before, &id, kept.as_ref().is_some_and(is_current));
                known.record.enrolled(id.clone(), &material);
                known.unsaved = true;
                known.save(&inner.file).await?;
                let member = known.settle(&id, material);
                inner.stand(Standing::Enrolled {
                    client_id: id,
                    renewal: None,
                });
                Ok(member)
            }
            (Err(error), Some(member)) => {
                tracing::warn!(%error, client = %member.id, "the fleet manager was asked again to enrol this device; going on as before");
                inner.stand(Standing::Enrolled {
                    client_id: member.id.clone(),
                    renewal: Some(error.to_string()),
                });
                Ok(member)
            }
            (Err(mut error), None) => {
                if let Some(standing) = standing_of(&error) {
                    inner.stand(standing);
                }
                // It is the device that is refused, and not what it was about to say: nothing is given up for it.
                if error.kind() == ErrorKind::Refused && !error.is_retryable() {
                    error.set_kind(ErrorKind::Untrusted);
                }
                Err(error)
            }
        }
    }
}

impl Inner {
    /// One request to be enrolled.
    async fn ask(
        &self,
        material: &Material,
        kept: Option<&RecordedClient>,
    ) -> Result<ClientId, Error> {
        let channel = &self.channel;
        let unavailable = |error| {
            let message = "there is no request to be enrolled";
            Error::new(ErrorKind::Setup, message).because(error)
        };
        let endpoint = Route::Onboard.endpoint(SpecVersion::Rc1);
        let path = Route::Onboard.path(SpecVersion::Rc1, &PathCaller::Unnamed);
        let call = Call {
            endpoint: endpoint.map_err(unavailable)?,
            url: channel.location.of_path(&path.map_err(unavailable)?),
            asked: "the enrolment of this device",
            held: None,
            body: Some(outcome::request(channel.dialect.documents, material)?.into()),
            bounds: Bounds {
                idle: channel.options.idle,
                total: channel.options.exchange,
                bytes: LONGEST_ANSWER,
            },
            offer_gzip: true,
        };
        let answer = channel.send(&call, &material.signer).await?;
        match Outcome::read(channel, material, &answer)? {
            Outcome::Enrolled(id) => Ok(id),
            Outcome::Already => kept
                .map(|client| client.id.clone())
                .ok_or_else(|| outcome::already_without_id(channel, &answer)),
        }
    }

    fn stand(&self, standing: Standing) {
        *self.standing.lock().unwrap_or_else(PoisonError::into_inner) = standing;
    }

    fn note_change(&self, before: Option<&ClientId>, id: &ClientId, is_same_certificate: bool) {
        let peer = self.channel.location.peer();
        match before {
            Some(before) if before != id => tracing::warn!(
                %before,
                now = %id,
                "{peer} gave this device another client id; what it runs goes on, and manifests are accepted from the version on that is held: let the operator assign to the new client what the old one had"
            ),
            Some(_) if is_same_certificate => {
                tracing::info!(client = %id, "{peer} confirms the enrolment")
            }
            Some(_) => tracing::info!(client = %id, "{peer} takes the renewed certificate"),
            None => tracing::info!(client = %id, "enrolled with {peer}"),
        }
    }
}

impl Known {
    /// The client with this id, which is the same value as long as nothing changes.
    fn settle(&mut self, id: &ClientId, material: Arc<Material>) -> Arc<Member> {
        if let Some(member) = &self.member
            && member.id == *id
            && Arc::ptr_eq(&member.material, &material)
        {
            return Arc::clone(member);
        }
        let id = id.clone();
        let member = Arc::new(Member { id, material });
        self.member = Some(Arc::clone(&member));
        member
    }

    async fn save(&mut self, file: &std::path::Path) -> Result<(), Error> {
        self.record.save(file.to_owned()).await?;
        self.unsaved = false;
        Ok(())
    }
}

/// How long a client that has an id waits before it asks again.
fn wait_after(error: Option<&Error>) -> Duration {
    let asked = error.and_then(Error::retry_advice);
    let asked = asked.and_then(|advice| advice.after).unwrap_or_default();
    asked.clamp(SHORTEST_WAIT, LONGEST_WAIT)
}

/// What the fleet manager said of the device, if it did.
fn standing_of(error: &Error) -> Option<Standing> {
    if outcome::is_pending(error) {
        return Some(Standing::Pending);
    }
    let is_final = error.kind() == ErrorKind::Refused && !error.is_retryable();
    is_final.then(|| Standing::Refused {
        why: error.to_string(),
    })
}

impl fmt::Debug for Member {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter
            .debug_struct("Member")
            .field("id", &self.id)
            .field("key", &self.material.key_id())
            .finish()
    }
}

impl fmt::Debug for Enrolment {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter
            .debug_struct("Enrolment")
            .field("channel", &self.0.channel)
            .field("standing", &self.standing())
            .finish_non_exhaustive()
    }
}

/// RFC 7468, in lines of 64 characters.
fn pem_of(der: &[u8]) -> String {
    let mut text = String::from("-----BEGIN CERTIFICATE-----\n");
    for (position, character) in STANDARD.encode(der).chars().enumerate() {
        if position > 0 && position % 64 == 0 {
            text.push('\n');
        }
        text.push(character);
    }
    text + "\n-----END CERTIFICATE-----\n"
}

const SHORTEST_WAIT: Duration = Duration::from_mins(1);
const LONGEST_WAIT: Duration = Duration::from_hours(24);
/// No answer to a request to be enrolled is longer.
const LONGEST_ANSWER: usize = 64 << 10;
