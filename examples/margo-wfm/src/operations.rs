//! Everything a fleet manager can be asked to do.
//!
//! An operation is a value with a result, and the same over the admin API as in one process:
//!
//! ```no_run
//! # async fn example(wfm: &margo_wfm::Wfm) -> Result<(), margo_wfm::Failure> {
//! use margo_wfm::operations::{Deploy, ImportPackage};
//!
//! let package = wfm.manager().run(ImportPackage::new("./hello")).await?;
//! let deployed = wfm.manager().run(Deploy::new(package.reference())).await?;
//! println!("{} goes to {}", deployed.deployment, deployed.client);
//! # Ok(())
//! # }
//! ```

mod backup;
mod change;
mod clients;
mod deploy;
mod devices;
mod enrolments;
mod history;
mod packages;
mod settings;
mod status;

use std::future::Future;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub use self::backup::{Backup, BackupMade};
pub use self::change::{Changed, Reconfigure, Remove, Update};
pub use self::clients::{ChangeGeneration, Client, DecideClient, ListClients};
pub use self::deploy::{Deploy, Deployed, Destination};
pub use self::devices::{Device, ListDevices};
pub use self::enrolments::{
    ApproveCertificate, CredentialText, EnrolledCertificate, ForgetCertificates, ListEnrolments,
    RegisterCertificate, RejectCertificate, RetireCertificate,
};
pub use self::history::{Entry, History};
pub use self::packages::{ImportPackage, ImportedPackage, ListPackages, Package};
pub use self::settings::{AnswersText, Settings};
pub use self::status::{Component, DeploymentOverview, Report, Status};
pub use crate::journal::{Action, Change};

use crate::failure::Failure;
use crate::manager::Manager;

/// Something a fleet manager can be asked to do.
pub trait Operation: Serialize + DeserializeOwned + Send + 'static {
    /// Its name in the admin API.
    const NAME: &'static str;
    /// What it gives.
    type Output: Serialize + DeserializeOwned + Send;

    /// Does it.
    fn run(self, manager: &Manager) -> impl Future<Output = Result<Self::Output, Failure>> + Send;
}

/// What there is, and what of it cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Listing<T> {
    /// What can be used.
    pub entries: Vec<T>,
    /// What is damaged, each with what to do. It is left as it is, and the others go on.
    pub damaged: Vec<Failure>,
}
