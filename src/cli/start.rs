//! A process that takes the state for itself, and tells a person when it cannot: nobody else would, since mails and
//! incidents are kept in the state.

use super::{Failure, open};
use crate::{
    clock::{Clock, SystemClock},
    config::Settings,
    engine::{Direct, Engine, not_opened},
    ledger::OpenError,
};
use std::path::Path;

/// An engine over the configured state. When it cannot be opened, that is mailed once a day, however often it is tried.
pub(super) async fn engine(settings: Settings) -> Result<Engine, Failure> {
    // Beside the control socket is what outlives a process and no boot, and is no part of the state.
    let beside = settings.control_socket.parent().filter(|folder| folder.is_dir());
    let direct = Direct::new(beside.unwrap_or_else(|| Path::new(&settings.state_dir)));
    let alerts = settings.alerts.clone();
    match open::engine(settings) {
        Ok(engine) => {
            engine.tell_directly_by(direct);
            Ok(engine)
        }
        Err(failure) => {
            if let Some(incident) = failure.cause::<OpenError>().and_then(not_opened) {
                direct.tell(&alerts, &incident, SystemClock.now()).await;
            }
            Err(failure)
        }
    }
}
