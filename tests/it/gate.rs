//! A proxy before a server that holds back what the server sends until a test lets it go: what the test does in
//! between happens in the middle of a transfer, however fast the machine is.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex},
    time::Duration,
};

/// Far longer than anything here takes.
const LONG: Duration = Duration::from_secs(60);

/// The proxy. When it is dropped it lets everything go and takes no more connections.
pub(crate) struct Gate {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Clone, Copy, Default)]
struct State {
    open: bool,
    held: bool,
    ended: bool,
    connections: usize,
}

impl Shared {
    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
        self.changed.notify_all();
    }

    /// Waits until it is so.
    fn wait(&self, so: impl Fn(&State) -> bool) {
        let state = self.state.lock().unwrap();
        let (state, _) = self.changed.wait_timeout_while(state, LONG, |state| !so(state)).unwrap();
        assert!(so(&state), "nothing happened for {LONG:?}");
    }
}

impl Gate {
    /// Passes on so many bytes of what the server on this port says in a connection, and holds the rest.
    pub(crate) fn before(server: u16, after: usize) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared::default());
        let gate = Self { port, shared: Arc::clone(&shared) };
        std::thread::spawn(move || {
            for client in listener.incoming() {
                if shared.state.lock().unwrap().ended {
                    return;
                }
                shared.change(|state| state.connections += 1);
                let client = client.unwrap();
                // A server that is gone is a connection that ends at once.
                let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else { continue };
                pass(&client, &server, after, &shared);
            }
        });
        gate
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// How many connections came so far.
    pub(crate) fn connections(&self) -> usize {
        self.shared.state.lock().unwrap().connections
    }

    /// Waits until something is held.
    pub(crate) fn holds(&self) {
        self.shared.wait(|state| state.held);
    }

    /// Lets everything go, what comes later too.
    pub(crate) fn open(&self) {
        self.shared.change(|state| state.open = true);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.shared.change(|state| {
            state.open = true;
            state.ended = true;
        });
        // So that the wait for the next connection ends.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

fn pass(client: &TcpStream, server: &TcpStream, after: usize, shared: &Arc<Shared>) {
    let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    std::thread::spawn(move || {
        drop(std::io::copy(&mut from, &mut to));
        drop(to.shutdown(Shutdown::Write));
    });
    let (mut from, mut to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
    let shared = Arc::clone(shared);
    std::thread::spawn(move || {
        let mut passed = 0;
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            passed += read;
            if passed > after && !shared.state.lock().unwrap().open {
                shared.change(|state| state.held = true);
                shared.wait(|state| state.open);
            }
            if to.write_all(buffer.get(..read).unwrap_or(&[])).is_err() {
                break;
            }
        }
        drop(to.shutdown(Shutdown::Both));
    });
}
