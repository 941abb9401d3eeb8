//! What the answers of the API server mean for who has to act.

use kube::Error;
use kube::core::Status;

use crate::error::with_causes;
use crate::{ProviderError, Trouble};

/// An error of a request about `what`, such as `the Deployment web`.
pub(in crate::helm) fn trouble_with(error: Error, what: &str) -> ProviderError {
    match &error {
        Error::Api(status) => refusal(status, what),
        Error::Auth(_) => {
            let message = format!(
                "the credentials of the kubeconfig cannot be had: {}; look at the program or token file it names",
                with_causes(&error)
            );
            ProviderError::new(Trouble::Device, message).because(error)
        }
        _ => {
            let message = format!(
                "the cluster cannot be reached: {}; look whether its API server runs and the kubeconfig has its address",
                innermost(&error)
            );
            ProviderError::new(Trouble::Engine, message).because(error)
        }
    }
}

/// There is no such namespace.
pub(in crate::helm) fn namespace_missing(namespace: &str) -> ProviderError {
    let message = format!(
        "the cluster has no namespace {namespace}; create it; that of the deployment itself is made with the option create_namespace"
    );
    ProviderError::new(Trouble::Device, message)
}

fn refusal(status: &Status, what: &str) -> ProviderError {
    let said = crate::program::last_lines(&status.message, 8).join("\n");
    let (trouble, message) = match status.code {
        401 => {
            let message = "the cluster does not know the credentials of the kubeconfig; renew them";
            (Trouble::Device, format!("{message}: {said}"))
        }
        403 if said.contains(TERMINATING) => {
            let message =
                "the namespace is being removed; wait until it is gone, or see what holds it";
            (Trouble::Device, format!("{message}: {said}"))
        }
        403 => {
            let message = format!(
                "the credentials of the kubeconfig do not allow it for {what}; grant it, or use others"
            );
            (Trouble::Device, format!("{message}: {said}"))
        }
        404 if status
            .details
            .as_ref()
            .is_some_and(|it| it.kind == "namespaces") =>
        {
            let details = status.details.as_ref();
            return namespace_missing(details.map_or("?", |details| details.name.as_str()));
        }
        400 | 404 | 413 | 415 | 422 => refused(what, &said),
        // It means the object, such as one with two variables of one name, and calls it a fault of its own.
        500 if said.contains("failed to create typed patch object") => refused(what, &said),
        409 => (
            Trouble::Deployment,
            format!("{what} is in use by somebody else: {said}"),
        ),
        _ => (
            Trouble::Engine,
            format!("the cluster could not deal with {what}: {said}"),
        ),
    };
    ProviderError::new(trouble, message)
}

fn refused(what: &str, said: &str) -> (Trouble, String) {
    let message = format!("the cluster refuses {what}; change the chart or its values: {said}");
    (Trouble::Deployment, message)
}

/// What the API server says of a namespace that is about to go. It calls it forbidden.
pub(in crate::helm) const TERMINATING: &str = "because it is being terminated";

/// The last cause: those around it only say that a request was made.
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(code: u16, message: &str) -> ProviderError {
        let status = Status::failure(message, "").with_code(code);
        trouble_with(Error::Api(status.boxed()), "the Deployment web")
    }

    #[test]
    fn who_has_to_act() {
        let table = [
            (401, Trouble::Device, "does not know the credentials"),
            (
                403,
                Trouble::Device,
                "do not allow it for the Deployment web",
            ),
            (422, Trouble::Deployment, "refuses the Deployment web"),
            (409, Trouble::Deployment, "in use by somebody else"),
            (500, Trouble::Engine, "could not deal with"),
        ];
        for (code, trouble, expected) in table {
            let error = of(code, "what the server says");
            assert_eq!(error.trouble, trouble, "{code}");
            assert!(error.message.contains(expected), "{}", error.message);
            assert!(
                error.message.contains("what the server says"),
                "{}",
                error.message
            );
        }
        let going = "unable to create new content in namespace a because it is being terminated";
        let error = of(403, going);
        assert!(error.message.contains("is being removed"), "{error}");
        let error = trouble_with(Error::Service("connection refused".into()), "x");
        assert_eq!(error.trouble, Trouble::Engine);
        assert!(
            error.message.contains("connection refused"),
            "{}",
            error.message
        );
    }
}
