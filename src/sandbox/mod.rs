//! A Vitable of one's own: the API of `vitable-api.md` over real HTTP, with faults on request.
//!
//! It is an independent reading of the contract. It shares the shapes of the wire and the list of states with
//! the client, and none of its checks, so that a rule misread in one place is found by the other.
//!
//! Only invented people belong here: what is submitted is kept in memory and shown to whoever asks.

mod answer;
mod api;
mod control;
mod faults;
mod groups;
mod intake;
mod line;
mod member;
mod request;
mod seed;
mod state;
mod sync;

pub use faults::{Answer, CallKind, FailMember, Faults, NextAnswer, Order, ResultsShape};
pub use seed::{API_KEY, CoveredElsewhere, Seed};
pub use state::{CallInfo, Sandbox};
pub use sync::{RemovedInfo, RequestInfo};

use crate::clock::Clock;
use std::{future::Future, io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{net::TcpListener, sync::oneshot};

/// How long answers under way may still take once the sandbox was told to stop.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

/// Answers on `listener` until `shutdown` is done, and two seconds longer for answers under way.
///
/// # Errors
/// Those of the listener.
pub async fn serve(
    sandbox: Arc<Sandbox>,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let (stop, stopped) = oneshot::channel::<()>();
    let router = control::router()
        .fallback(api::answer)
        .with_state(sandbox)
        .into_make_service_with_connect_info::<line::Hangup>();
    let serving = axum::serve(line::Exchange::new(listener), router).with_graceful_shutdown(async move {
        // Told, or the sender is gone: both mean to stop.
        stopped.await.unwrap_or(());
    });
    let cut = async move {
        shutdown.await;
        drop(stop);
        tokio::time::sleep(LAST_ANSWERS).await;
    };
    tokio::select! {
        served = async { serving.await } => served,
        () = cut => Ok(()),
    }
}

/// The whole of `rosterd sandbox`: binds `listen` (port 0 takes a free one), says through `bound` which address
/// it got, and serves until `shutdown` is done.
///
/// # Errors
/// When the address cannot be bound.
pub async fn run(
    listen: SocketAddr,
    seed: Seed,
    clock: Arc<dyn Clock>,
    bound: oneshot::Sender<SocketAddr>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let listener = TcpListener::bind(listen).await?;
    let address = listener.local_addr()?;
    // Nobody listening for the address is no reason not to serve.
    bound.send(address).unwrap_or(());
    serve(Arc::new(Sandbox::new(seed, clock)), listener, shutdown).await
}
