//! A small workload fleet manager: the library behind the program `margo-wfm`.
//!
//! Everything that speaks to devices comes from `margo-server-traits`, everything about packages from `margo-package`. What is
//! here is what a vendor adds: a configuration, a library of packages, a journal of decisions, an admin API.
//!
//! ```no_run
//! use margo_wfm::{Config, Wfm};
//!
//! # async fn example() -> Result<(), margo_wfm::Failure> {
//! let config = Config::load("margo-wfm.toml".as_ref())?;
//! let wfm = Wfm::open(&config).await?;
//! println!("devices connect to {}", wfm.public_url());
//! let manager = wfm.manager();
//! let serving = tokio::spawn(wfm.serve(std::future::pending()));
//! let devices = manager.run(margo_wfm::operations::ListDevices {}).await?;
//! # drop((serving, devices));
//! # Ok(())
//! # }
//! ```

pub mod admin;
pub mod config;
mod failure;
mod files;
pub mod identity;
mod journal;
mod library;
mod manager;
pub mod operations;
mod origin;
mod placement;
mod policy;
mod signed;

mod wfm;

pub use config::Config;
pub use failure::{Failure, Kind};
pub use manager::Manager;
pub use wfm::Wfm;
