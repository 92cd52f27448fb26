//! Whether a connection still moves: what comes over the wire is counted, however large the pieces are in which
//! it is used. A server that sends a kilobyte a second is slow, one that sends nothing is gone.

use std::{
    future::Future,
    io,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Fewer bytes than this within the time of no progress are the answers to our own keep-alives, and no progress.
const MOVING: u64 = 1024;

/// Counts what a connection brings.
#[derive(Clone, Debug)]
pub(super) struct Watch {
    received: Arc<AtomicU64>,
    no_progress: Duration,
}

/// Nothing came for the time of no progress.
#[derive(Debug)]
pub(super) struct Stalled;

impl Watch {
    pub(super) fn new(no_progress: Duration) -> Self {
        Self { received: Arc::default(), no_progress }
    }

    /// What a person reads of a connection that stands still.
    pub(super) fn words(&self) -> String {
        format!("nothing came for {} s", self.no_progress.as_secs_f32())
    }

    /// A stream whose bytes are counted.
    pub(super) fn over<S>(&self, stream: S) -> Watched<S> {
        Watched { stream, received: Arc::clone(&self.received) }
    }

    /// Waits for as long as the connection moves.
    ///
    /// # Errors
    /// When it has stood still for the time of no progress.
    pub(super) async fn moving<T>(&self, work: impl Future<Output = T>) -> Result<T, Stalled> {
        let mut work = pin!(work);
        loop {
            let before = self.received.load(Ordering::Relaxed);
            match tokio::time::timeout(self.no_progress, &mut work).await {
                Ok(done) => return Ok(done),
                Err(_) if self.received.load(Ordering::Relaxed).wrapping_sub(before) >= MOVING => {}
                Err(_) => return Err(Stalled),
            }
        }
    }
}

/// A stream whose received bytes are counted.
pub(super) struct Watched<S> {
    stream: S,
    received: Arc<AtomicU64>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        let read = buffer.filled().len().saturating_sub(before);
        self.received.fetch_add(read as u64, Ordering::Relaxed);
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    #[tokio::test]
    async fn slow_is_not_silent() {
        let watch = Watch::new(Duration::from_millis(600));
        let (ours, mut theirs) = tokio::io::duplex(1 << 20);
        let mut ours = watch.over(ours);
        // One piece that takes three times as long as the time of no progress.
        let send = async {
            for _ in 0..36 {
                theirs.write_all(&[0; 1024]).await.unwrap();
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            // And then nothing but small answers.
            for _ in 0..20 {
                theirs.write_all(&[0; 36]).await.unwrap();
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        let take = async {
            let mut piece = vec![0; 36 * 1024];
            watch.moving(ours.read_exact(&mut piece)).await.unwrap().unwrap();
            let mut more = vec![0; 4096];
            assert!(watch.moving(ours.read_exact(&mut more)).await.is_err());
        };
        tokio::join!(send, take);
    }
}
