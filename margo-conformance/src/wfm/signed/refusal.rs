//! Errors in the styles of this generation (rc1-and-pre-draft.md section 11; peers.md 4b).

use http::Response;
use http::header::CONTENT_TYPE;
use margo_types::problem::{Problem, ProblemType};
use margo_types::{SpecVersion, media_type};
use serde_json::json;

use super::super::serve::finish;
use crate::interop::ErrorForm;
use crate::server::AnswerBody;

/// Why a request is not answered.
#[derive(Debug)]
pub(super) struct Refusal(Box<Problem>);

impl Refusal {
    pub(super) fn new(problem_type: ProblemType, why: impl Into<String>) -> Self {
        Self(Box::new(Problem::new(problem_type).with_detail(why)))
    }

    pub(super) fn of_status(status: u16, why: impl Into<String>) -> Self {
        Self(Box::new(Problem::about_blank(status).with_detail(why)))
    }

    pub(super) fn not_found(why: &str) -> Self {
        Self::of_status(404, why)
    }

    /// The same with another status.
    pub(super) fn with_status(mut self, status: u16) -> Self {
        self.0.status = status;
        self
    }

    pub(super) fn into_response(self, form: ErrorForm) -> Response<AnswerBody> {
        let Self(problem) = self;
        let (media_type, body) = match form {
            ErrorForm::Problem => {
                let body = margo_types::write(&*problem, SpecVersion::Rc1)
                    .expect("the signed generation has problem documents");
                (media_type::PROBLEM, body)
            }
            ErrorForm::Error => {
                let body = json!({ "error": problem.detail }).to_string();
                (media_type::JSON, body.into_bytes())
            }
        };
        let response = Response::builder().status(problem.status);
        finish(response.header(CONTENT_TYPE, media_type), body)
    }
}
