//! Strict validation, from outside: every rule is broken once by a document that is valid otherwise.

mod across;
mod application;
mod capabilities;
mod case;
mod catalogue;
mod configuration;
mod constraints;
mod deployment;
mod generations;
mod manifest;
mod oci;
mod onboarding;
mod parameters;
mod problem;
mod reader;
mod report;
mod status;
mod trust;
