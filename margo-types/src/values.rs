//! Parameter values: what a person answers, checked against the schemas of an application description
//! (rc3.md section 1.7, W51 to W53; page AD-H).
//!
//! [`Schema::check`](crate::application::Schema::check) checks one value, [`parse_answer`] reads one from a
//! text, such as a command-line argument. [`Answers`] collects the values for an application, fills in
//! defaults and what is deployed already, and reports everything wrong at once. [`check_defaults`] checks
//! what the supplier wrote.
//!
//! ```
//! use margo_types::application::{DataType, Schema};
//! use margo_types::values::parse_answer;
//!
//! let mut seconds = Schema::new("seconds", DataType::Integer);
//! seconds.min_value = Some(30.into());
//! assert_eq!(parse_answer(&seconds, "45")?, 45);
//! let faults = parse_answer(&seconds, "5").unwrap_err();
//! assert_eq!(faults[0].to_string(), "5 is less than 30; give at least 30");
//! # Ok::<(), Vec<margo_types::values::ValueFault>>(())
//! ```
//!
//! # Decisions
//!
//! Where the specification is silent or contradicts itself (numbers of rc3.md section 12):
//!
//! | no. | question | decision | reason |
//! |---|---|---|---|
//! | 54 | deployments quote numbers | answers must have the data type; deployed values may also be its text, so `30` and `"30"` are no change | every published deployment quotes, every published description does not |
//! | 55 | precision | decimal places of the shortest decimal form that reads back as the same double; trailing zeros do not count | a typed number has no other digits |
//! | 55 | `regexMatch` | the syntax of the `regex` crate, without look-around and back-references; searches unless anchored; a pattern that cannot be used accepts nothing | the published patterns anchor where they mean to; such matching is linear in time |
//! | 55 | length | Unicode scalar values | independent of the encoding |
//! | 56 | two settings for one parameter | the value obeys both schemas, and is immutable if either says so | no answer may break a rule |
//! | 56 | a parameter without setting | may be given any admissible value, and keeps its default otherwise | there is no rule that a value could break |
//! | 56 | neither value nor setting | left out | there is nothing to write |
//! | 57 | which rules apply | all that fit the data type; `options` on top; the others are ignored | "every rule present must hold" |
//! | 57 | `options` written as texts for numbers | read as the data type | the published type is a list of texts |
//! | 57 | rules of array types | hold for every element; `allowEmpty` for the array and every text in it | there are no other rules |
//! | 58 | `allowEmpty` with `minLength` | an empty value is accepted when allowed, and then obeys no other rule | the published example means this |
//! | – | what is empty | null, an empty text (of any data type) and an empty array | a form cannot say null |
//! | – | an integer written as `5.0` | refused | it is a double; rounding is never silent |
//! | – | an immutable setting that has no deployed value | may be set | an update may bring new settings |

mod answers;
mod check;
pub(crate) mod defaults;
mod fault;
mod shape;

pub use answers::{AnswerFault, AnswerProblem, Answers, InvalidAnswers, ResolvedValues};
pub use check::parse_answer;
pub use defaults::{DefaultFault, check_defaults};
pub use fault::{ValueFault, ValueRule};
