//! `margo-wfm enrolment`.

use std::fs;
use std::path::Path;

use margo_wfm::admin::AdminClient;
use margo_wfm::operations::{
    ApproveCertificate, CredentialText, EnrolledCertificate, ForgetCertificates, ListEnrolments,
    RegisterCertificate, RejectCertificate, RetireCertificate,
};
use margo_wfm::{Failure, Kind};

use crate::arguments::{CredentialArguments, Enrolment};
use crate::output::Output;
use crate::table;

pub(super) async fn run(
    admin: &AdminClient,
    command: Enrolment,
    output: Output,
) -> Result<(), Failure> {
    let (decided, what) = match command {
        Enrolment::List => {
            let enrolments = admin.run(ListEnrolments {}).await?;
            return output.result(&enrolments, &table::enrolments(&enrolments));
        }
        Enrolment::Forget(arguments) => {
            let forget = match arguments.fingerprint {
                Some(fingerprint) => ForgetCertificates::one(fingerprint),
                None => ForgetCertificates::that_wait(),
            };
            let forgotten = admin.run(forget).await?;
            let lines: Vec<_> = forgotten
                .iter()
                .map(|it| sentence(it, "is forgotten"))
                .collect();
            let text = match lines.as_slice() {
                [] => "no certificate waits".to_owned(),
                lines => lines.join("\n"),
            };
            return output.result(&forgotten, &text);
        }
        Enrolment::Register(arguments) => {
            let credential = credential(arguments.credential)?;
            let mut register = RegisterCertificate::new(arguments.client, credential);
            register.note = arguments.note;
            (admin.run(register).await?, "is accepted")
        }
        Enrolment::Approve {
            fingerprint,
            client,
            note,
        } => {
            let mut approve = ApproveCertificate::new(fingerprint);
            approve.client = client;
            approve.note = note;
            (admin.run(approve).await?, "is accepted")
        }
        Enrolment::Reject {
            fingerprint,
            reason,
        } => {
            let reject = RejectCertificate::new(fingerprint, reason);
            (admin.run(reject).await?, "is rejected")
        }
        Enrolment::Retire {
            fingerprint,
            reason,
        } => {
            let retire = RetireCertificate::new(fingerprint, reason);
            (admin.run(retire).await?, "is retired")
        }
    };
    output.result(&decided, &sentence(&decided, what))
}

fn sentence(certificate: &EnrolledCertificate, what: &str) -> String {
    let short = table::short(&certificate.fingerprint);
    match &certificate.client {
        Some(client) => format!("certificate {short} {what} for client {client}"),
        None => format!("certificate {short} {what}"),
    }
}

fn credential(arguments: CredentialArguments) -> Result<CredentialText, Failure> {
    match (arguments.certificate, arguments.fingerprint) {
        (Some(file), _) => Ok(CredentialText::Certificate(read(&file)?)),
        (None, fingerprint) => Ok(CredentialText::Fingerprint(fingerprint.unwrap_or_default())),
    }
}

fn read(file: &Path) -> Result<String, Failure> {
    fs::read_to_string(file).map_err(|error| {
        let message = format!(
            "the certificate {} cannot be read; correct the path, and give PEM or base64",
            file.display()
        );
        Failure::caused(Kind::Usage, message, &error)
    })
}
