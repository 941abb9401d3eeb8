//! Problem types under the URIs that rc.1 gave them (rc1-and-pre-draft.md section 11): one page per
//! type, `https://docs.margo.org/specification/problems/<slug>`.

use crate::problem::{Problem, ProblemType};

/// The problem with the URI of today, if it had an older one of the same type.
pub(crate) fn modernise(mut problem: Problem) -> Problem {
    let known = SINCE_RC1
        .iter()
        .find(|(old, _)| *old == problem.problem_type.as_str());
    if let Some((_, modern)) = known {
        problem.problem_type = modern.clone();
    }
    problem
}

/// The problem as rc.1 has it. Types that came later keep their URI: to an older client they are unknown,
/// and it goes by the status.
pub(in crate::wire) fn write(problem: &Problem) -> Problem {
    let mut problem = problem.clone();
    let known = SINCE_RC1
        .iter()
        .find(|(_, modern)| *modern == problem.problem_type);
    if let Some((old, _)) = known {
        problem.problem_type = (*old).into();
    }
    problem
}

/// The types that rc.1 and newer generations share.
const SINCE_RC1: [(&str, ProblemType); 5] = [
    (
        "https://docs.margo.org/specification/problems/invalid-request",
        ProblemType::InvalidRequest,
    ),
    (
        "https://docs.margo.org/specification/problems/semantic-error",
        ProblemType::SemanticError,
    ),
    (
        "https://docs.margo.org/specification/problems/invalid-bundle",
        ProblemType::InvalidBundle,
    ),
    (
        "https://docs.margo.org/specification/problems/deployment-not-found",
        ProblemType::DeploymentNotFound,
    ),
    (
        "https://docs.margo.org/specification/problems/server-cannot-generate-response",
        ProblemType::ServerCannotGenerateResponse,
    ),
];
