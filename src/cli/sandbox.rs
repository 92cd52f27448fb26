//! `rosterd sandbox`.

use super::{Exit, Failure};
use crate::{
    clock::SystemClock,
    sandbox::{self, Seed},
};
use clap::Args;
use std::{io::Write, net::SocketAddr, sync::Arc};

#[derive(Debug, Args)]
pub(super) struct Sandbox {
    /// Where to listen.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8600")]
    listen: SocketAddr,
}

pub(super) async fn run(command: Sandbox) -> Result<Exit, Failure> {
    let (bound, address) = tokio::sync::oneshot::channel();
    let serving = sandbox::run(command.listen, Seed::demo(), Arc::new(SystemClock), bound, async {
        // Without the handler the signal ends the process by itself.
        drop(tokio::signal::ctrl_c().await);
    });
    let saying = async {
        if let Ok(address) = address.await {
            drop(writeln!(
                std::io::stderr(),
                "the sandbox answers on http://{address} to the key {}; stop it with Ctrl-C",
                sandbox::API_KEY
            ));
            drop(writeln!(std::io::stdout(), "http://{address}"));
        }
    };
    let (served, ()) = tokio::join!(serving, saying);
    served.map_err(|error| Failure::text(format!("cannot serve on {}: {error}", command.listen)))?;
    Ok(Exit::Done)
}
