//! The control socket: HTTP over a unix socket that its owner and its group may use.

use super::{
    handle::Handle,
    protocol::{About, COMMAND, Event, LARGEST_COMMAND},
};
use crate::engine::LocalFile;
use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{ConnectInfo, State, connect_info::Connected},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post},
    serve::IncomingStream,
};
use futures_util::{StreamExt, future::BoxFuture};
use std::{
    fs::{File, Permissions},
    io::{self, Write},
    os::{
        fd::AsRawFd,
        unix::fs::{FileTypeExt, PermissionsExt},
    },
    path::Path,
    sync::Arc,
};
use tokio::{
    net::UnixListener,
    sync::{mpsc, watch},
};

/// Who may use the socket: the owner and the group.
const MODE: u32 = 0o660;

/// Who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The account of the process at the other end, as the kernel says.
    pub uid: Option<u32>,
}

impl Connected<IncomingStream<'_, UnixListener>> for Caller {
    fn connect_info(stream: IncomingStream<'_, UnixListener>) -> Self {
        Self { uid: stream.io().peer_cred().ok().map(|peer| peer.uid()) }
    }
}

/// A command that came in.
pub struct Call {
    /// The command as its sender wrote it.
    pub command: serde_json::Value,
    /// The local file that came with it. It is gone when the call is.
    pub file: Option<Upload>,
    /// Who sent it.
    pub caller: Caller,
    /// The daemon.
    pub daemon: Handle,
    /// Where its words go. Nobody has to be there any more.
    pub events: mpsc::UnboundedSender<Event>,
}

/// A file that came over the socket, without a name on the disk.
pub struct Upload(File);

impl Upload {
    /// Where this process can read it, and how its sender knows it.
    #[must_use]
    pub fn local(&self, shown: String) -> LocalFile {
        LocalFile { path: format!("/proc/self/fd/{}", self.0.as_raw_fd()).into(), shown }
    }
}

/// Who carries commands out.
pub trait Commands: Send + Sync {
    /// Carries one out and returns its exit code. An error says why nothing can be made of it.
    ///
    /// # Errors
    /// When the command cannot be understood.
    fn carry_out(&self, call: Call) -> Result<BoxFuture<'static, u8>, String>;
}

/// Binds the socket: 0660, in place of one that nobody listens to any more. The caller owns the state directory, so
/// a daemon that listens here has another one.
///
/// # Errors
/// When somebody listens there, or the file system refuses.
pub async fn bind(path: &Path) -> io::Result<UnixListener> {
    match std::fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "it is there, and is no socket"));
        }
        Ok(_) if tokio::net::UnixStream::connect(path).await.is_ok() => {
            return Err(io::Error::new(io::ErrorKind::AddrInUse, "another daemon listens there"));
        }
        Ok(_) => std::fs::remove_file(path)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder)?;
            }
        }
        Err(error) => return Err(error),
    }
    // Nobody gets in between making it and giving it its mode: until then it has another name.
    let beside = path.with_extension("new");
    drop(std::fs::remove_file(&beside));
    let listener = UnixListener::bind(&beside)?;
    std::fs::set_permissions(&beside, Permissions::from_mode(MODE))?;
    std::fs::rename(&beside, path)?;
    Ok(listener)
}

struct Desk {
    daemon: Handle,
    commands: Arc<dyn Commands>,
}

pub(super) async fn serve(
    listener: UnixListener,
    daemon: Handle,
    commands: Arc<dyn Commands>,
    mut stopping: watch::Receiver<bool>,
) {
    let desk = Arc::new(Desk { daemon, commands });
    let router = Router::new()
        .route("/v1/about", get(about))
        .route("/v1/command", post(command))
        .layer(axum::extract::DefaultBodyLimit::disable())
        .with_state(desk)
        .into_make_service_with_connect_info::<Caller>();
    let stopped = async move { drop(stopping.wait_for(|stop| *stop).await) };
    if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(stopped).await {
        tracing::error!(%error, "the control socket is gone");
    }
}

async fn about(State(desk): State<Arc<Desk>>) -> Json<About> {
    Json(desk.daemon.about())
}

async fn command(
    State(desk): State<Arc<Desk>>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let length = headers.get(COMMAND).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    let Some(length) = length.filter(|length| *length <= LARGEST_COMMAND) else {
        return refused(format!("the header `{COMMAND}` does not say how long the command is"));
    };
    let (command, file) = match receive(&desk, length, body).await {
        Ok(received) => received,
        Err(error) => return refused(format!("the command did not arrive: {error}")),
    };
    let Ok(command) = serde_json::from_slice(&command) else {
        return refused("the command is no JSON".to_owned());
    };
    let (events, said) = mpsc::unbounded_channel();
    let call = Call { command, file, caller, daemon: desk.daemon.clone(), events: events.clone() };
    match desk.commands.carry_out(call) {
        Ok(work) => {
            let ending = async move { drop(events.send(Event::Exit(work.await))) };
            desk.daemon.task(Box::pin(ending));
            lines(said)
        }
        Err(why) => refused(why),
    }
}

fn refused(why: String) -> Response {
    (StatusCode::BAD_REQUEST, format!("{why}\n")).into_response()
}

/// The command, and the file behind it if there is one.
async fn receive(desk: &Desk, length: usize, body: Body) -> io::Result<(Vec<u8>, Option<Upload>)> {
    let mut chunks = body.into_data_stream();
    let (mut command, mut file) = (Vec::new(), None);
    while let Some(chunk) = chunks.next().await {
        let mut chunk: Bytes = chunk.map_err(io::Error::other)?;
        let rest = chunk.split_off(chunk.len().min(length - command.len()));
        command.extend_from_slice(&chunk);
        if rest.is_empty() {
            continue;
        }
        if file.is_none() {
            file = Some(tempfile::tempfile_in(&desk.daemon.engine().settings().state_dir)?);
        }
        if let Some(file) = &mut file {
            file.write_all(&rest)?;
        }
    }
    Ok((command, file.map(Upload)))
}

/// One event a line, as they come.
fn lines(said: mpsc::UnboundedReceiver<Event>) -> Response {
    let lines = futures_util::stream::unfold(said, |mut said| async move {
        let event = said.recv().await?;
        let line =
            serde_json::to_string(&event).map(|line| Bytes::from(line + "\n")).map_err(io::Error::other);
        Some((line, said))
    });
    ([("content-type", "application/x-ndjson")], Body::from_stream(lines)).into_response()
}
