//! The way to the mail server, tried: everything but a mail.

use super::{
    super::Smtp,
    way::{self, Way},
};
use crate::probe::Step;

/// Resolves, connects, agrees on TLS, logs in and says goodbye. The last step is the one that failed, if one did.
pub(in crate::notify) async fn probe(smtp: &Smtp) -> Vec<Step> {
    let mut way = Way::default();
    if let Ok(session) = way::walk(smtp, &mut way, true).await {
        session.close().await;
    }
    way.steps
}
