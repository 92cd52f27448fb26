//! The other end of the control socket: what a command does while a daemon owns the state.

use super::protocol::{About, COMMAND, Event};
use http_body_util::{BodyExt, Either, Empty, StreamBody};
use hyper::{
    Request, Response, StatusCode,
    body::{Body, Bytes, Frame, Incoming},
    client::conn::http1,
};
use hyper_util::rt::TokioIo;
use std::{io, path::Path};
use tokio::{io::AsyncReadExt, net::UnixStream};

/// How much of a file goes over the socket at a time, in bytes.
const CHUNK: usize = 64 << 10;

/// Why a daemon gives no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// Nobody listens there.
    #[error("nobody answers at `{path}`")]
    Nobody {
        /// The socket.
        path: String,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The account may not use the socket.
    #[error(
        "this account may not talk to the daemon at `{0}`; join the group that owns it (`sudo usermod -aG rosterd $USER`, then log in again), or use sudo"
    )]
    NotAllowed(String),
    /// The local file cannot be read.
    #[error("cannot read the file to send")]
    File(#[source] io::Error),
    /// The daemon does not understand.
    #[error("the daemon refuses the command ({0}); restart it if it is of another version than this program")]
    Refused(String),
    /// The connection broke.
    #[error(
        "the connection to the daemon broke before the command ended; what it began goes on, `rosterd status` shows it"
    )]
    Broken,
}

/// What the daemon at this socket says of itself.
///
/// # Errors
/// When nobody answers there, or not as a daemon does.
pub async fn about(socket: &Path) -> Result<About, CallError> {
    let request = Request::get("/v1/about").body(Empty::<Bytes>::new());
    let (response, _driver) = exchange(socket, request.map_err(|_| CallError::Broken)?).await?;
    let body = response.into_body().collect().await.map_err(|_| CallError::Broken)?.to_bytes();
    serde_json::from_slice(&body).map_err(|_| CallError::Refused("it does not say who it is".to_owned()))
}

/// Has the daemon carry a command out. `file` goes with it. Returns the exit code.
///
/// # Errors
/// When nobody answers, the file cannot be read, or the connection breaks: the daemon goes on then.
pub async fn call(
    socket: &Path,
    command: &serde_json::Value,
    file: Option<tokio::fs::File>,
    told: &mut (dyn FnMut(Event) + Send),
) -> Result<u8, CallError> {
    let command = command.to_string();
    let request = Request::post("/v1/command").header(COMMAND, command.len());
    let first = futures_util::stream::once(async move { Ok(Frame::data(Bytes::from(command))) });
    let body = match file {
        Some(file) => {
            let rest = futures_util::stream::try_unfold(file, |mut file| async move {
                let mut chunk = vec![0; CHUNK];
                let read = file.read(&mut chunk).await?;
                chunk.truncate(read);
                Ok::<_, io::Error>((read > 0).then(|| (Frame::data(Bytes::from(chunk)), file)))
            });
            Either::Left(StreamBody::new(futures_util::StreamExt::chain(first, rest)))
        }
        None => Either::Right(StreamBody::new(first)),
    };
    let request = request.body(body).map_err(|_| CallError::Broken)?;
    let (mut response, _driver) = exchange(socket, request).await?;
    if response.status() != StatusCode::OK {
        let why = response.into_body().collect().await.map_err(|_| CallError::Broken)?.to_bytes();
        return Err(CallError::Refused(String::from_utf8_lossy(&why).trim().to_owned()));
    }
    let mut left = Vec::new();
    while let Some(frame) = response.frame().await {
        let frame = frame.map_err(|_| CallError::Broken)?;
        left.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
        while let Some(end) = left.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = left.drain(..=end).collect();
            match serde_json::from_slice(&line).map_err(|_| CallError::Broken)? {
                Event::Exit(code) => return Ok(code),
                event @ (Event::Out(_) | Event::Err(_) | Event::Step(_) | Event::Ask(_)) => told(event),
            }
        }
    }
    Err(CallError::Broken)
}

/// What moves the bytes while the answer is read; it ends with its owner.
type Driver = tokio::task::JoinSet<()>;

async fn exchange<B>(socket: &Path, request: Request<B>) -> Result<(Response<Incoming>, Driver), CallError>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let path = socket.display().to_string();
    let stream = UnixStream::connect(socket).await.map_err(|source| {
        if source.kind() == io::ErrorKind::PermissionDenied {
            CallError::NotAllowed(path)
        } else {
            CallError::Nobody { path, source }
        }
    })?;
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|_| CallError::Broken)?;
    let mut driver = Driver::new();
    driver.spawn(async move { drop(connection.await) });
    let response = sender.send_request(request).await.map_err(|_| CallError::Broken)?;
    Ok((response, driver))
}
