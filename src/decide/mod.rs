//! Pure: what becomes of each covered member and of each group.

mod guard;
mod submission;

pub use guard::{FirstSync, Guard, InvalidRows, Limit};
pub use submission::{Submission, SubmissionMember};
