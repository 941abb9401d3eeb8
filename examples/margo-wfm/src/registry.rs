//! Registries as the configuration has them.

use std::fs;

use margo_package::oci::{Client, Credentials, Secret, StaticCredentials};

use crate::config::Config;
use crate::failure::{Failure, Kind};

/// A client for all registries. Those that are not configured are reached over HTTPS and anonymously.
pub(crate) fn client(config: &Config) -> Result<Client, Failure> {
    let mut builder = Client::builder();
    let mut credentials = StaticCredentials::new();
    for (host, registry) in &config.registries {
        if registry.plain_http {
            builder = builder.plain_http(host);
        }
        if let Some(file) = &registry.ca {
            let pem = fs::read(file).map_err(|error| Failure::file(file, &error))?;
            builder = builder.ca_certificates(&pem);
        }
        if let (Some(user), Some(file)) = (&registry.user, &registry.password_file) {
            let text = fs::read_to_string(file).map_err(|error| Failure::file(file, &error))?;
            let password = text.trim_end_matches(['\r', '\n']);
            if password.is_empty() {
                let message = format!("{} is empty; write the password into it", file.display());
                return Err(Failure::new(Kind::Usage, message));
            }
            let login = Credentials::password(user, Secret::from(password));
            credentials = credentials.with(host, login);
        }
    }
    Ok(builder.credentials(credentials).build()?)
}
