//! Signed exchanges with a fleet manager of the signed generation, over TLS that authenticates the fleet manager alone
//! (rc1-and-pre-draft.md sections 1 and 3).

mod clock;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use margo_types::auth::{RequestParts, SignatureAlgorithm};
use margo_types::problem::BackoffStrategy;
use margo_types::signature::{SignatureHeaders, Signer, Signing};
use reqwest::header::DATE;
use reqwest::{Client, StatusCode};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use self::clock::{Learnt, SigningClock};
use crate::api::{ApiOptions, Dialect};
use crate::error::{Error, ErrorKind};
use crate::exchange::{self, Answer, Call};
use crate::identity::{Material, SigningIdentity};
use crate::jitter::random;
use crate::location::Location;

/// The way to one fleet manager.
///
/// Connections are kept until the trust of the identity changes or they are too old. Nothing is sent, signed or not, to
/// any other host: redirects are not followed.
pub(crate) struct Channel {
    pub(crate) location: Location,
    pub(crate) options: ApiOptions,
    pub(crate) dialect: Dialect,
    identity: SigningIdentity,
    pool: Mutex<Option<Pool>>,
    clock: Arc<SigningClock>,
    /// One signature at a time: a device that hangs takes one thread with it, not one for every request.
    turn: Arc<Semaphore>,
}

struct Pool {
    client: Client,
    trust_generation: u64,
    since: Instant,
}

impl Channel {
    /// No connection is made yet.
    pub(crate) fn new(
        location: Location,
        identity: SigningIdentity,
        dialect: Dialect,
        options: ApiOptions,
    ) -> Result<Self, Error> {
        let channel = Self {
            location,
            options,
            dialect,
            identity,
            pool: Mutex::new(None),
            clock: Arc::default(),
            turn: Arc::new(Semaphore::new(1)),
        };
        channel.client()?;
        Ok(channel)
    }

    pub(crate) const fn identity(&self) -> &SigningIdentity {
        &self.identity
    }

    /// Sends a request, signed with this key.
    pub(crate) async fn send(
        &self,
        call: &Call<'_>,
        signer: &Arc<dyn Signer>,
    ) -> Result<Answer, Error> {
        let mut request = call.request(&self.client()?)?;
        for (name, value) in self.sign(call, Arc::clone(signer)).await?.iter() {
            request = request.header(name, value);
        }
        call.send(request, self.location.peer()).await
    }

    /// The error that an answer to a request of this caller is.
    ///
    /// Where the signature was not accepted, says why that may be. The `Date` of such an answer corrects the time of later
    /// signatures: it comes over the channel that authenticates the fleet manager, and only where a signature failed, so
    /// that it never spoils what works.
    pub(crate) fn refusal(&self, material: &Material, answer: &Answer, asked: &str) -> Error {
        let peer = self.location.peer();
        if answer.status != StatusCode::UNAUTHORIZED {
            let fault = material.validity_fault(self.clock.now());
            let fault = fault.filter(|_| answer.status == StatusCode::FORBIDDEN);
            return answer.refusal_hinting(peer, asked, fault.as_deref().unwrap_or_default());
        }
        let learnt = if answer.is_no_answer() {
            Learnt::Nothing
        } else {
            self.clock.learn(answer.header(DATE))
        };
        match learnt {
            Learnt::Corrected(off) => {
                let hint = format!(
                    "the clock of this device is {off}; from now on requests are signed with the time of the fleet manager, but set it"
                );
                let error = answer.refusal_hinting(peer, asked, &hint);
                tracing::warn!(%error, "the clock of this device is wrong");
                may_be_repeated(error)
            }
            Learnt::TooMuch(off) => {
                let hint =
                    format!("the clock of this device is {off}, too much to make up for; set it");
                answer.refusal_hinting(peer, asked, &hint)
            }
            Learnt::Nothing => {
                let hint = material.validity_fault(self.clock.now()).unwrap_or_else(|| {
                    format!(
                        "it does not take the signature with the key {}; ask its operator whether that key is enrolled, and check the dialect that it is spoken to in",
                        material.key_id()
                    )
                });
                answer.refusal_hinting(peer, asked, &hint)
            }
        }
    }

    /// The client to make the next request with.
    fn client(&self) -> Result<Client, Error> {
        let material = self.identity.current();
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = &*pool
            && pool.since.elapsed() < self.options.connection_age
            && pool.trust_generation == material.trust_generation
        {
            return Ok(pool.client.clone());
        }
        let tls = material.trust.client_config()?;
        let client = exchange::client_builder(tls, self.options.connect)
            .user_agent(self.options.user_agent.as_str())
            .build()
            .map_err(|error| {
                let message = "HTTPS cannot be set up; check that the user agent is plain text";
                Error::new(ErrorKind::Setup, message).because(error)
            })?;
        *pool = Some(Pool {
            client: client.clone(),
            trust_generation: material.trust_generation,
            since: Instant::now(),
        });
        Ok(client)
    }

    /// Signs on a thread that may block.
    async fn sign(
        &self,
        call: &Call<'_>,
        signer: Arc<dyn Signer>,
    ) -> Result<SignatureHeaders, Error> {
        let (method, target) = (call.endpoint.method.as_str(), call.url.to_string());
        let body = call.body.clone().unwrap_or_default();
        let (profile, clock) = (self.dialect.signature, Arc::clone(&self.clock));
        let turn = Arc::clone(&self.turn);
        let signing = async move {
            let turn = turn.acquire_owned().await;
            let work = move || {
                let _turn = turn;
                // Two polls in one second are two requests, also where signatures have no chance in them.
                let nonce = format!("{:016x}", random());
                let mut signing = Signing::new(&*signer, clock.now()).profile(profile);
                if is_deterministic(&signer.algorithm()) {
                    signing = signing.nonce(&nonce);
                }
                signing.sign(&RequestParts::new(method, &target, |_| vec![]), &body)
            };
            tokio::task::spawn_blocking(work).await
        };
        let unsigned = || {
            let message =
                "the request was not signed; check the private key and the device that it is in";
            Error::new(ErrorKind::Setup, message)
        };
        match timeout(self.options.exchange, signing).await {
            Ok(Ok(Ok(headers))) => Ok(headers),
            Ok(Ok(Err(error))) => Err(unsigned().because(error)),
            Ok(Err(ended)) => Err(unsigned().because(ended)),
            Err(late) => Err(unsigned().because(late)),
        }
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter
            .debug_struct("Channel")
            .field("location", &self.location)
            .field("dialect", &self.dialect)
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

/// The same refusal, which another attempt may well not meet.
pub(crate) fn may_be_repeated(error: Error) -> Error {
    let problem = error.problem().cloned();
    let advice = error.retry_advice().cloned();
    match advice {
        Some(mut advice) => {
            advice.retryable = true;
            advice.backoff = BackoffStrategy::Exponential;
            error.with_response(problem, advice)
        }
        None => error,
    }
}

const fn is_deterministic(algorithm: &SignatureAlgorithm) -> bool {
    matches!(
        algorithm,
        SignatureAlgorithm::Ed25519 | SignatureAlgorithm::RsaV15Sha256
    )
}
