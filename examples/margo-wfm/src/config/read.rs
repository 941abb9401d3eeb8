//! Reading the file, with errors that name file, line, key and what to write.

use std::io::ErrorKind;
use std::ops::Range;
use std::path::Path;
use std::str::FromStr;

use margo_server_traits::signed::PublicUrl;
use margo_types::signature::Tolerance;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use url::Url;

use super::{Config, SignedConfig};
use crate::failure::{Failure, Kind};
use crate::files;

impl Config {
    /// Reads the configuration file.
    ///
    /// # Errors
    /// When it is missing or says something that makes no sense.
    pub fn load(file: &Path) -> Result<Self, Failure> {
        let text = files::read_text(file, LONGEST).map_err(|error| match error.kind() {
            ErrorKind::NotFound => Failure::new(
                Kind::Usage,
                format!(
                    "there is no configuration file {}; name it with --config, or write one as the README shows",
                    file.display()
                ),
            ),
            _ => Failure::file(file, &error),
        })?;
        let mut config: Self = toml::from_str(&text)
            .map_err(|error| invalid(file, &text, error.span(), error.message()))?;
        config.check(file, &text)?;
        config.resolve(file.parent().unwrap_or(Path::new("")));
        Ok(config)
    }

    /// What goes beyond single values.
    fn check(&self, file: &Path, text: &str) -> Result<(), Failure> {
        if self.listen.ip().is_unspecified() && self.public_url.is_none() {
            let why = "devices cannot call this address; say under which URL they reach it";
            return Err(invalid(file, text, line_of(text, "listen"), why)
                .with_fix("public_url = \"https://fleet.example:8443\""));
        }
        if let Some(signed) = &self.signed
            && signed.listen.ip().is_unspecified()
            && signed.public_urls.is_empty()
        {
            let why = "clients cannot call this address; say under which URLs they reach it";
            let section = text.find("[signed]").unwrap_or_default();
            let line = text.get(section..).and_then(|text| line_of(text, "listen"));
            let line = line.map(|line| line.start + section..line.end + section);
            return Err(invalid(file, text, line, why)
                .with_fix("public_urls = [\"https://fleet.example:9443\"]"));
        }
        Ok(())
    }

    /// Takes relative paths from the directory of the file.
    fn resolve(&mut self, directory: &Path) {
        directory.clone_into(&mut self.directory);
        let optional = [&mut self.state.database, &mut self.state.admin_socket];
        let required = [
            &mut self.identity.svid,
            &mut self.identity.key,
            &mut self.identity.bundle,
            &mut self.state.directory,
        ];
        let signed = self.signed.iter_mut().flat_map(SignedConfig::paths);
        let of_all = required.into_iter().chain(optional.into_iter().flatten());
        for path in of_all.chain(signed) {
            *path = directory.join(&*path);
        }
    }
}

/// Reads `public_url`.
pub(super) fn public_url<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Url>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let url = Url::parse(&text).map_err(|error| D::Error::custom(format!("no URL ({error})")))?;
    if url.scheme() != "https" {
        return Err(D::Error::custom("devices connect over HTTPS only"));
    }
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
        return Err(D::Error::custom(
            "only scheme, host, port and path are used",
        ));
    }
    Ok(Some(url))
}

/// Reads `public_urls`.
pub(super) fn public_urls<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<PublicUrl>, D::Error> {
    each(deserializer)
}

/// Reads `tolerances`.
pub(super) fn tolerances<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<Tolerance>, D::Error> {
    each(deserializer)
}

fn each<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: std::fmt::Display>,
{
    let texts = Vec::<String>::deserialize(deserializer)?;
    let parsed = texts
        .iter()
        .map(|text| text.parse().map_err(D::Error::custom));
    parsed.collect()
}

fn invalid(file: &Path, text: &str, span: Option<Range<usize>>, why: &str) -> Failure {
    let mut place = file.display().to_string();
    let mut fix = None;
    if let Some(span) = span {
        let before = text.get(..span.start).unwrap_or(text);
        let line = before.matches('\n').count();
        place = format!("{place}, line {}", line + 1);
        let written = text.lines().nth(line).unwrap_or_default();
        if let Some((key, _)) = written.split_once('=') {
            let key = key.trim();
            place = format!("{place}, {key}");
            fix = EXAMPLES.iter().find(|(known, _)| *known == key);
        }
    }
    let failure = Failure::new(Kind::Usage, format!("{place}: {}", why.trim_end()));
    match fix {
        Some((key, example)) => failure.with_fix(&format!("{key} = {example}")),
        None => failure,
    }
}

impl Failure {
    fn with_fix(mut self, example: &str) -> Self {
        self.message = format!("{}; write for example: {example}", self.message);
        self
    }
}

/// The first line that has this key or word.
fn line_of(text: &str, word: &str) -> Option<Range<usize>> {
    let start = text.find(word)?;
    Some(start..start + word.len())
}

/// A MiB: nobody writes nearly as much.
const LONGEST: u64 = 1 << 20;

/// What to write, by key.
const EXAMPLES: [(&str, &str); 20] = [
    ("listen", "\"0.0.0.0:8443\""),
    ("public_url", "\"https://fleet.example:8443\""),
    ("accept", "\"listed\" or \"all\""),
    ("svid", "\"identity/wfm.pem\""),
    ("key", "\"identity/wfm-key.pem\""),
    ("bundle", "\"identity/bundle.json\""),
    ("directory", "\"state\""),
    ("database", "\"state/wfm.db\""),
    ("admin_socket", "\"state/admin.sock\""),
    ("public_urls", "[\"https://fleet.example:9443\"]"),
    ("certificate", "\"identity/tls.pem\""),
    ("root_certificate", "\"identity/root.pem\""),
    ("tolerances", "[\"digest-not-covered\"]"),
    ("accept_issuers", "\"identity/device-authorities.pem\""),
    ("max_age_seconds", "300"),
    ("max_pending", "256"),
    ("plain_http", "true"),
    ("username", "\"fleet\""),
    ("password_file", "\"registry-password\""),
    ("ca_certificates", "\"registry-ca.pem\""),
];
