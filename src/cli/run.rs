//! `rosterd run`: the daemon, in the foreground.

use super::{
    Exit, Failure,
    desk::{self, Desk, Request, Talk},
    exit, open, start,
};
use crate::{
    config::{self, Secrets, Settings},
    daemon::{self, Call, Commands, Event, Parts, Signal},
    engine::{self, Progress, Step},
};
use futures_util::future::BoxFuture;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};

pub(super) async fn run(config: Option<PathBuf>) -> Result<Exit, Failure> {
    let path = open::config_path(config);
    // From the first moment on, so that a signal while it starts is not lost.
    let (told, signals) = mpsc::channel(4);
    let mut listening = tokio::task::JoinSet::new();
    for (kind, meaning) in [
        (SignalKind::hangup(), Signal::Reload),
        (SignalKind::terminate(), Signal::Stop),
        (SignalKind::interrupt(), Signal::Stop),
    ] {
        let (mut stream, told) = (signal(kind)?, told.clone());
        listening
            .spawn(async move { while stream.recv().await.is_some() && told.send(meaning).await.is_ok() {} });
    }
    let settings = open::settings(Some(path.clone()))?;
    for warning in &settings.warnings {
        tracing::warn!("{warning}");
    }
    let socket = settings.control_socket.clone();
    let reread = reread(&path, &settings);
    let engine = start::engine(settings).await?;
    let listener = daemon::bind(&socket).await.map_err(|error| {
        Failure::text(format!("cannot listen on the control socket `{}`: {error}", socket.display()))
    })?;
    let parts = Parts { engine, config: path, listener, commands: Arc::new(Desks), signals, reread };
    let ended = daemon::run(parts).await;
    drop(std::fs::remove_file(&socket));
    ended.map(|()| Exit::Done).map_err(Failure::failed)
}

/// Reads the configuration again. What a running daemon cannot change is refused.
fn reread(path: &Path, settings: &Settings) -> daemon::Reread {
    let path = path.to_owned();
    let fixed = |settings: &Settings| {
        (settings.state_dir.clone(), settings.state_key.clone(), settings.control_socket.clone())
    };
    let before = fixed(settings);
    Arc::new(move || -> Result<engine::Settings, String> {
        let settings = config::load(&path, &open::environment, Secrets::Check)
            .map_err(|problems| problems.to_string())?;
        if fixed(&settings) != before {
            return Err(
                "`state_dir`, `state_key` and `control_socket` cannot change while rosterd runs; put them back, or restart rosterd to have it work with them"
                    .to_owned(),
            );
        }
        for warning in &settings.warnings {
            tracing::warn!("{warning}");
        }
        Ok(open::engine_settings(settings))
    })
}

/// Carries out what comes in over the socket.
struct Desks;

impl Commands for Desks {
    fn carry_out(&self, call: Call) -> Result<BoxFuture<'static, u8>, String> {
        let request: Request = serde_json::from_value(call.command.clone()).map_err(|error| {
            format!("the daemon, version {}, does not know it: {error}", env!("CARGO_PKG_VERSION"))
        })?;
        Ok(Box::pin(async move {
            let talk = Wire(call.events.clone());
            let by = open::user(call.caller.uid);
            let file = match (request.file(), &call.file) {
                (Some(path), Some(upload)) => Some(upload.local(path.display().to_string())),
                (Some(path), None) => {
                    return failed(
                        &talk,
                        &Failure::text(format!("`{}` is empty; nothing was read", path.display())),
                    );
                }
                (None, _) => None,
            };
            tracing::info!(%by, command = request.name(), "a command came in over the control socket");
            let desk = Desk::in_daemon(call.daemon.clone(), by, file);
            match desk::carry_out(&desk, request, &talk).await {
                Ok(exit) => exit.code(),
                Err(failure) => failed(&talk, &failure),
            }
        }))
    }
}

fn failed(talk: &Wire, failure: &Failure) -> u8 {
    // Nobody has to be there any more.
    drop(talk.err(&exit::text(failure)));
    failure.code()
}

/// What a command says, on its way to the other end.
struct Wire(mpsc::UnboundedSender<Event>);

impl Wire {
    fn send(&self, event: Event) {
        // Whoever asked may have gone: the command goes on.
        drop(self.0.send(event));
    }
}

impl Progress for Wire {
    fn step(&self, step: Step) {
        self.send(Event::Step(step));
    }
}

impl Talk for Wire {
    fn out(&self, text: &str) -> std::io::Result<()> {
        self.send(Event::Out(text.to_owned()));
        Ok(())
    }

    fn err(&self, text: &str) -> std::io::Result<()> {
        self.send(Event::Err(text.to_owned()));
        Ok(())
    }

    fn ask(&self, digests: Vec<String>) {
        self.send(Event::Ask(digests));
    }
}
