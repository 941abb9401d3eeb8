#![cfg_attr(docsrs, feature(doc_cfg))]
#![doc = include_str!("../README.md")]

mod caller;
mod enrolment;
mod fleet;
mod in_full;
pub mod proxy;
pub mod publish;
mod registrar;
#[cfg(feature = "server")]
pub mod server;
mod service;
pub mod signed;
pub mod store;
mod store_fleet;

pub use caller::{Caller, Verified};
pub use enrolment::{Applicant, Enrolled, Enrolment};
pub use fleet::{
    Admission, Capabilities, ClientPolicy, DesiredState, Fleet, FleetError, Received, StatusSink,
    Stored,
};
pub use registrar::{Credential, Registrar, RegistrarError};
pub use service::{FleetService, ResponseBody, ServiceOptions, TrustEndpoints};
pub use store_fleet::{
    AcceptedIssuers, AskOperator, EnrolmentDecision, EnrolmentPolicy, InvalidIssuers, StoreFleet,
};
