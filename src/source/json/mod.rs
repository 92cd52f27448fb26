//! JSON as rows: the list of records in a document, and the cells of a record.
//!
//! Numbers are kept as they are written: `1001` is never `1001.0`, and 20 digits stay 20 digits
//! ([`exact`]). No message of this module shows a value: what stands in a record is personal data.

mod list;
mod number;
mod path;

pub(super) use list::{Broken, records};
pub use list::{ListPath, NotAList};
pub(super) use number::exact;
pub(super) use path::text_of;
pub use path::{JsonPath, NotAPath};
