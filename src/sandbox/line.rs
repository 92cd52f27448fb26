//! Connections that can be cut without an answer.

use axum::{
    extract::connect_info::Connected,
    serve::{IncomingStream, Listener},
};
use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
};

/// Cuts the connection that a call came on: whatever is written afterwards does not leave, and the server drops it.
#[derive(Clone, Default)]
pub(super) struct Hangup(Arc<AtomicBool>);

impl Hangup {
    /// From here on.
    pub(super) fn cut(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Connected<IncomingStream<'_, Exchange>> for Hangup {
    fn connect_info(stream: IncomingStream<'_, Exchange>) -> Self {
        stream.io().hangup.clone()
    }
}

/// A listener whose connections can be cut.
pub(super) struct Exchange(TcpListener);

impl Exchange {
    pub(super) const fn new(listener: TcpListener) -> Self {
        Self(listener)
    }
}

impl Listener for Exchange {
    type Io = Line;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Line, SocketAddr) {
        loop {
            if let Ok((stream, address)) = self.0.accept().await {
                // Only speed depends on it.
                stream.set_nodelay(true).unwrap_or(());
                let hangup = Hangup::default();
                return (Line { stream, hangup }, address);
            }
            // Out of file descriptors, most likely: the next try has to wait for a connection to end.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// One connection.
pub(super) struct Line {
    stream: TcpStream,
    hangup: Hangup,
}

impl AsyncRead for Line {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Line {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let line = self.get_mut();
        if line.hangup.0.load(Ordering::SeqCst) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        Pin::new(&mut line.stream).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
