//! Tokens: asking a token service for one (the Docker token authentication, version 2).

use std::time::{Duration, Instant};

use reqwest::header::AUTHORIZATION;
use reqwest::{RequestBuilder, Response, StatusCode};
use serde::Deserialize;
use url::Url;

use super::basic;
use super::challenge::Challenge;
use crate::oci::client::transport::Access;
use crate::oci::client::{Client, place_of};
use crate::oci::credentials::Credentials;
use crate::oci::error::{OciError, Place, Refusal};
use crate::oci::reference::Reference;
use crate::oci::retry::is_transient;
use crate::oci::secret::Secret;

/// A token and when to stop using it.
pub(super) struct Token {
    pub(super) text: Secret,
    pub(super) until: Instant,
}

impl Client {
    /// Asks the token service that a challenge names.
    ///
    /// Only the registry itself is ever listened to here, and the service must be reached over HTTPS
    /// unless plain HTTP to it is allowed: the credentials go there.
    pub(super) async fn fetch_token(
        &self,
        challenge: &Challenge,
        credentials: Option<&Credentials>,
        reference: &Reference,
        access: Access,
    ) -> Result<Token, OciError> {
        let place = place_of(reference);
        let realm = challenge
            .parameter("realm")
            .and_then(|realm| Url::parse(realm).ok());
        let realm = realm.ok_or_else(|| {
            OciError::malformed(&place, "challenge", "it names no token service (realm)")
        })?;
        self.may_visit(&realm, "token service", &place)?;

        let service = challenge.parameter("service");
        let own = access.scope(reference);
        let scope = challenge.parameter("scope").unwrap_or(&own);
        // The certificate is for the registry's own host only.
        let at_home = authority(&realm).is_some_and(|host| host == reference.registry());
        let http = self.http(reference.registry(), at_home);
        let request = match credentials {
            Some(Credentials::RefreshToken(token)) => http
                .post(realm.clone())
                .body(refresh_form(service, scope, token))
                .header(
                    reqwest::header::CONTENT_TYPE,
                    "application/x-www-form-urlencoded",
                ),
            Some(Credentials::Password { user, password }) => {
                let header = basic(user, password.expose(), &place)?;
                http.get(with_query(&realm, service, scope))
                    .header(AUTHORIZATION, header)
            }
            Some(Credentials::BearerToken(_)) | None => {
                http.get(with_query(&realm, service, scope))
            }
        };
        let by = format!("token service {}", realm.origin().ascii_serialization());
        let answer = self.ask(request, by, &place).await?;
        let asked_at = Instant::now();
        let body = self.document(answer, "token", MAX_TOKEN, &place).await?;
        Token::read(&body, asked_at, &place)
    }

    async fn ask(
        &self,
        request: RequestBuilder,
        by: String,
        place: &Place,
    ) -> Result<Response, OciError> {
        let answer = self.patiently(request.send(), place).await?;
        match answer.status() {
            StatusCode::OK => Ok(answer),
            status if is_transient(status) => Err(self.busy(answer, 1, place).await),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::BAD_REQUEST => {
                let detail = match self.unexpected(answer, place).await {
                    OciError::PeerRefused {
                        refusal:
                            Refusal::Unauthenticated { detail, .. }
                            | Refusal::Forbidden { detail }
                            | Refusal::Rejected { detail, .. },
                        ..
                    } => detail,
                    _ => String::new(),
                };
                Err(OciError::refused(
                    place,
                    Refusal::Unauthenticated { by, detail },
                ))
            }
            _ => Err(self.unexpected(answer, place).await),
        }
    }
}

impl Access {
    fn scope(self, reference: &Reference) -> String {
        let actions = match self {
            Self::Pull => "pull",
            Self::Push => "pull,push",
        };
        format!("repository:{}:{actions}", reference.repository())
    }
}

impl Token {
    fn read(body: &[u8], asked_at: Instant, place: &Place) -> Result<Self, OciError> {
        // The parser's message could quote the token.
        let answer: Answer = serde_json::from_slice(body)
            .map_err(|_| OciError::malformed(place, "token", "it is not the expected JSON"))?;
        let text = answer
            .token
            .or(answer.access_token)
            .filter(|token| !token.expose().is_empty());
        let text = text.ok_or_else(|| {
            OciError::malformed(
                place,
                "token",
                "there is no member `token` or `access_token`",
            )
        })?;
        let lifetime = answer
            .expires_in
            .unwrap_or(DEFAULT_LIFETIME)
            .min(LONGEST_LIFETIME);
        let lifetime = Duration::from_secs(lifetime).saturating_sub(LEEWAY);
        Ok(Self {
            text,
            until: asked_at + lifetime,
        })
    }
}

#[derive(Deserialize)]
struct Answer {
    token: Option<Secret>,
    access_token: Option<Secret>,
    expires_in: Option<u64>,
}

fn with_query(realm: &Url, service: Option<&str>, scope: &str) -> Url {
    let mut url = realm.clone();
    let mut query = url.query_pairs_mut();
    if let Some(service) = service {
        query.append_pair("service", service);
    }
    query.append_pair("scope", scope);
    drop(query);
    url
}

fn refresh_form(service: Option<&str>, scope: &str, token: &Secret) -> String {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("grant_type", "refresh_token");
    if let Some(service) = service {
        form.append_pair("service", service);
    }
    form.append_pair("scope", scope)
        .append_pair("client_id", "margo-package")
        .append_pair("refresh_token", token.expose());
    form.finish()
}

fn authority(url: &Url) -> Option<String> {
    let host = url.host_str()?;
    Some(
        url.port()
            .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")),
    )
}

const MAX_TOKEN: u64 = 64 << 10;
/// What a service means that does not say how long its token lives, in seconds.
const DEFAULT_LIFETIME: u64 = 60;
const LONGEST_LIFETIME: u64 = 24 * 60 * 60;
/// A token is not used in its last seconds, which may pass on the way.
const LEEWAY: Duration = Duration::from_secs(5);
