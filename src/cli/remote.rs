//! A command of the state: in the daemon that owns it, or else over the state itself.

use super::{
    Exit, Failure, baseline,
    desk::{self, Desk, Request, Talk},
    open, start,
    terminal::Terminal,
};
use crate::{
    config::{self, Secrets},
    daemon::{self, CallError, Event},
    engine::{LocalFile, Progress},
};
use std::{
    io::IsTerminal,
    path::{Path, PathBuf},
};

/// Where systemd puts the socket of the unit, which an operator's own environment does not know.
const UNIT_SOCKET: &str = "/run/rosterd/control.sock";

/// Where the state is.
enum Place {
    /// In the daemon that listens there.
    Daemon(PathBuf),
    /// In this process.
    Here(Box<Desk>),
}

/// Carries a command out, wherever the state is.
pub(super) async fn run(config: Option<PathBuf>, mut request: Request) -> Result<Exit, Failure> {
    let terminal = Terminal::new();
    // The daemon need not be able to read what the person can.
    if let Request::Plan(command) = &mut request
        && let Some(path) = &command.baseline
    {
        command.named = Some(baseline::read(path)?.into_iter().collect());
    }
    let path = open::config_path(config);
    let place = match daemon_of(&path).await? {
        Some(socket) => Place::Daemon(socket),
        None => {
            let settings = open::settings(Some(path))?;
            // A person who typed something else reads what is the matter; a timer calls `sync`.
            let alone = matches!(request, Request::Sync(_));
            let engine = if alone { start::engine(settings).await? } else { open::engine(settings)? };
            Place::Here(Box::new(Desk::here(engine)))
        }
    };
    let exit = place.carry_out(request.clone(), &terminal).await?;
    let Some(asked) = terminal.asked() else { return Ok(exit) };
    match &mut request {
        Request::Approve(command) => {
            if !command.yes && !agreed("release this change? [y/N] ")? {
                return Err(Failure::text("nothing was approved".to_owned()));
            }
            command.agreed = Some(asked);
        }
        Request::Repin(command) => {
            if !command.yes && !agreed("accept this id? [y/N] ")? {
                return Err(Failure::text("nothing was changed".to_owned()));
            }
            command.agreed = Some(asked);
        }
        Request::Empty(command) => {
            command.confirm = Some(answer("type the group's name to empty it: ", "--confirm NAME")?);
        }
        Request::Sync(_)
        | Request::Plan(_)
        | Request::Status(_)
        | Request::Runs(_)
        | Request::Show(_)
        | Request::Explain(_)
        | Request::Reject(_)
        | Request::Pause(_)
        | Request::Resume(_)
        | Request::Backup(_)
        | Request::StateCheck(_) => return Ok(exit),
    }
    place.carry_out(request, &terminal).await
}

/// The socket of the daemon that owns the state of this configuration, if one runs.
async fn daemon_of(config: &Path) -> Result<Option<PathBuf>, Failure> {
    // The secrets are the daemon's: an operator need not be able to read them.
    let Ok(settings) = config::load(config, &open::environment, Secrets::Skip) else {
        // Its mistakes are told by whoever has to work by it; a daemon may run by what it said before.
        let mut sockets = config::sockets(config, &open::environment);
        sockets.push(UNIT_SOCKET.into());
        for socket in sockets.into_iter().filter(|socket| socket.exists()) {
            if daemon::about(&socket).await.is_ok_and(|about| same(&about.config, config)) {
                return Ok(Some(socket));
            }
        }
        return Ok(None);
    };
    let candidates =
        [settings.control_socket.clone(), settings.state_dir.join("control.sock"), UNIT_SOCKET.into()];
    for socket in candidates.iter().filter(|socket| socket.exists()) {
        match daemon::about(socket).await {
            Ok(about) if same(&about.state_dir, &settings.state_dir) => return Ok(Some(socket.clone())),
            // A daemon of another state, or one that was killed and left its socket.
            Ok(_) | Err(CallError::Nobody { .. }) => {}
            Err(error) => return Err(Failure::failed(error)),
        }
    }
    Ok(None)
}

/// Whether two paths are one folder.
fn same(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        // Only the daemon's account may look there.
        _ => one == other,
    }
}

impl Place {
    async fn carry_out(&self, request: Request, terminal: &Terminal) -> Result<Exit, Failure> {
        match self {
            Self::Daemon(socket) => ask(socket, &request, terminal).await,
            Self::Here(desk) => {
                let file = request.file().cloned().map(LocalFile::from);
                desk::carry_out(&desk.with_file(file), request, terminal).await
            }
        }
    }
}

/// Has a daemon carry a command out.
async fn ask(socket: &Path, request: &Request, terminal: &Terminal) -> Result<Exit, Failure> {
    let file = match request.file() {
        Some(path) => Some(
            tokio::fs::File::open(path)
                .await
                .map_err(|error| Failure::text(format!("cannot read `{}` ({error})", path.display())))?,
        ),
        None => None,
    };
    let command = serde_json::to_value(request).map_err(Failure::failed)?;
    let mut broken = None;
    let code = daemon::call(socket, &command, file, &mut |event| {
        let said = match event {
            Event::Out(text) => terminal.out(&text),
            Event::Err(text) => terminal.err(&text),
            Event::Step(step) => {
                terminal.step(step);
                Ok(())
            }
            Event::Ask(digests) => {
                terminal.ask(digests);
                Ok(())
            }
            Event::Exit(_) => Ok(()),
        };
        if let Err(error) = said {
            broken.get_or_insert(error);
        }
    })
    .await
    .map_err(Failure::failed)?;
    match broken {
        Some(error) => Err(error.into()),
        None => Ok(Exit::of_code(code)),
    }
}

fn agreed(question: &str) -> Result<bool, Failure> {
    Ok(matches!(answer(question, "--yes")?.as_str(), "y" | "Y" | "yes"))
}

/// What a person types to a question, without the space around it.
fn answer(question: &str, option: &str) -> Result<String, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::wrong(format!(
            "there is no terminal to ask on; add `{option}` if you looked at the change"
        )));
    }
    std::io::Write::write_all(&mut std::io::stderr(), question.as_bytes())?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(answer.trim().to_owned())
}
