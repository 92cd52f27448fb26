//! `rosterd demo`: the whole job in two days, against the sandbox, with the example under `config/demo/`.

use super::{
    Exit, Failure, open,
    render::{self, Detail},
    terminal::Terminal,
};
use crate::{
    clock::{Clock, SetClock, SystemClock},
    config::{self, Secrets},
    engine::{Engine, Order, Pass},
    ledger::{Ledger, RunOutcome, Trigger},
    sandbox::{self, CoveredElsewhere, Sandbox, Seed},
};
use chrono::TimeDelta;
use clap::Args;
use std::{
    fs::File,
    io::Write,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

const CONFIG: &str = include_str!("../../config/demo/rosterd.yaml");
const KEY: &str = include_str!("../../config/demo/sandbox.key");
const DAY_1: &str = include_str!("../../config/demo/day-1.csv");
const DAY_2: &str = include_str!("../../config/demo/day-2.csv");
/// The address in the example, in whose place the demo's own sandbox steps.
const EXAMPLE_ADDRESS: &str = "127.0.0.1:8600";

#[derive(Debug, Args)]
pub(super) struct Demo {
    /// Keep the demo's folder, to look at its state and mails afterwards.
    #[arg(long, value_name = "FOLDER")]
    keep: Option<PathBuf>,
}

pub(super) async fn run(command: Demo) -> Result<Exit, Failure> {
    let folder = match &command.keep {
        Some(folder) => Place::Kept(folder.clone()),
        None => Place::Temporary(tempfile::tempdir()?),
    };
    let clock = Arc::new(SetClock::new(SystemClock.now()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let sandbox = Arc::new(Sandbox::new(seed(), Arc::clone(&clock) as Arc<dyn Clock>));
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = sandbox::serve(Arc::clone(&sandbox), listener, async {
        // Told to stop, or the story ended early: both mean to stop.
        drop(stopped.await);
    });
    let story = async {
        let told = story(folder.path(), address, &clock, &sandbox).await;
        drop(stop);
        told
    };
    let (served, told) = tokio::join!(serving, story);
    served?;
    told
}

/// Where the demo lives.
enum Place {
    Kept(PathBuf),
    Temporary(tempfile::TempDir),
}

impl Place {
    fn path(&self) -> &Path {
        match self {
            Self::Kept(folder) => folder,
            Self::Temporary(folder) => folder.path(),
        }
    }
}

fn seed() -> Seed {
    Seed { covered_elsewhere: vec![CoveredElsewhere::Reference("E-2006".to_owned())], ..Seed::demo() }
}

async fn story(
    folder: &Path,
    address: SocketAddr,
    clock: &Arc<SetClock>,
    sandbox: &Sandbox,
) -> Result<Exit, Failure> {
    let engine = prepare(folder, address, clock)?;
    let mut tale =
        Tale { engine: &engine, terminal: Terminal::new(), mails: folder.join("mail"), shown: Vec::new() };
    tale.say("Day 1. The first roster of Acme arrives: eleven people in two divisions.")?;
    put(folder, "day-1.csv", DAY_1)?;
    let first = tale.pass(Trigger::Sync).await?;
    tale.expect(first.outcome() == RunOutcome::Held, "a first sync waits for a person")?;
    tale.say("Nobody can know whom Vitable covers there already, so rosterd sent nothing and wrote a mail:")?;
    tale.mails()?;
    tale.say(&format!(
        "A person looks at it (rosterd show {}), and types: rosterd approve {} --all --reason \"first roster\"",
        first.run.id, first.run.id
    ))?;
    for hold in engine.meant(first.run.id, &[], true, None).map_err(Failure::failed)? {
        engine.say(&hold, true, "demo", "first roster")?;
    }
    let approved = tale.pass(Trigger::Approval).await?;
    tale.expect(approved.outcome() == RunOutcome::Done, "an approved first sync completes")?;
    tale.mails()?;

    clock.set(clock.now() + TimeDelta::days(1));
    tale.say("Day 2. E-1007 is new, E-1002 has moved house, E-1005 has left, the phone of E-1003 lost its end,\nand E-2006 is new but still covered by another employer.")?;
    put(folder, "day-2.csv", DAY_2)?;
    let second = tale.pass(Trigger::Sync).await?;
    tale.expect(second.outcome() == RunOutcome::LeftOut, "day 2 is done, but not for everybody")?;
    tale.say("E-1003 keeps her coverage: a broken phone number is sent as it was last accepted. E-2006 needs a person:")?;
    tale.mails()?;
    tale.verdict(sandbox)?;
    tale.say("Try next:\n  rosterd demo --keep /tmp/demo    keep the state and the mails, and look at them with\n  rosterd --config /tmp/demo/rosterd.yaml status\n  rosterd sandbox                  a local Vitable API for your own configuration\n  README.md, \"A first real configuration\"")?;
    Ok(Exit::Done)
}

/// Writes the example into its folder and opens an engine over it.
fn prepare(folder: &Path, address: SocketAddr, clock: &Arc<SetClock>) -> Result<Engine, Failure> {
    if folder.join("state").exists() {
        return Err(Failure::wrong(format!(
            "`{}` has a demo in it already; name another folder, or remove this one",
            folder.display()
        )));
    }
    std::fs::create_dir_all(folder.join("inbox"))?;
    put_file(&folder.join("sandbox.key"), KEY)?;
    let config = folder.join("rosterd.yaml");
    put_file(&config, &CONFIG.replace(EXAMPLE_ADDRESS, &address.to_string()))?;
    let settings = config::load(&config, &|_| None, Secrets::Check)
        .map_err(|problems| Failure::wrong(problems.to_string()))?;
    let ledger = Arc::new(Ledger::open(&settings.state_dir, None, clock.now())?);
    open::with_ledger(settings, ledger, Arc::clone(clock) as Arc<dyn Clock>)
}

/// A roster arrives as a whole: written beside, then renamed.
fn put(folder: &Path, name: &str, text: &str) -> Result<(), Failure> {
    let inbox = folder.join("inbox");
    let part = inbox.join(format!("{name}.part"));
    put_file(&part, text)?;
    std::fs::rename(&part, inbox.join(name))?;
    Ok(())
}

fn put_file(path: &Path, text: &str) -> Result<(), Failure> {
    let mut file = File::create(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    Ok(())
}

/// Tells the story and checks that it goes as told.
struct Tale<'a> {
    engine: &'a Engine,
    terminal: Terminal,
    mails: PathBuf,
    shown: Vec<PathBuf>,
}

impl Tale<'_> {
    fn say(&self, text: &str) -> Result<(), Failure> {
        Ok(writeln!(std::io::stdout().lock(), "\n{text}\n")?)
    }

    fn expect(&self, held: bool, what: &str) -> Result<(), Failure> {
        if held {
            Ok(())
        } else {
            Err(Failure::text(format!("the story did not go as told: {what}; please report it")))
        }
    }

    async fn pass(&self, trigger: Trigger) -> Result<Pass, Failure> {
        let feed =
            self.engine.feed("acme").ok_or_else(|| Failure::text("the example lost its feed".to_owned()))?;
        let progress = &self.terminal;
        let order = Order { feed, trigger, group: None, file: None, due: None, again: None, progress };
        let pass = self.engine.run(&order).await?;
        self.engine.deliver().await?;
        let attempts = render::attempts(self.engine.ledger(), &pass.run)?;
        let text = render::text(&pass.run, &attempts, Detail::Short);
        write!(std::io::stdout().lock(), "{text}")?;
        Ok(pass)
    }

    /// Shows the mails that came since the last look.
    fn mails(&mut self) -> Result<(), Failure> {
        let mut fresh: Vec<PathBuf> = std::fs::read_dir(&self.mails)
            .map(|entries| entries.filter_map(Result::ok).map(|entry| entry.path()).collect())
            .unwrap_or_default();
        fresh.retain(|path| !self.shown.contains(path));
        fresh.sort();
        for path in fresh {
            let mail = std::fs::read_to_string(&path)?;
            let mut out = std::io::stdout().lock();
            for line in summary(&mail) {
                writeln!(out, "  | {line}")?;
            }
            self.shown.push(path);
        }
        Ok(())
    }

    /// What Vitable has in the end is what the story says.
    fn verdict(&self, sandbox: &Sandbox) -> Result<(), Failure> {
        let ids = |group: &str| sandbox.members(group).into_keys().collect::<Vec<String>>().join(" ");
        let (east, west) = (ids("acme-east"), ids("acme-west"));
        let right = east == "E-1001 E-1002 E-1003 E-1004 E-1006 E-1007"
            && west == "E-2001 E-2002 E-2003 E-2004 E-2005";
        self.expect(right, "Vitable covers exactly those whom it should")?;
        self.say(&format!("At Vitable now: acme-east: {east}; acme-west: {west}"))
    }
}

/// Subject and the first lines of the text of a mail.
fn summary(mail: &str) -> Vec<String> {
    let mail = mail.replace("\r\n", "\n");
    let (head, body) = mail.split_once("\n\n").unwrap_or((&mail, ""));
    let mut subject = String::new();
    for line in head.lines() {
        if line.starts_with("Subject: ") {
            line.clone_into(&mut subject);
        } else if !subject.is_empty() && line.starts_with(' ') {
            subject.push_str(line);
        } else if !subject.is_empty() {
            break;
        }
    }
    let text = body
        .split("\n\n")
        .find(|part| !part.is_empty() && !part.starts_with("--") && !part.contains("Content-"));
    let mut lines = vec![subject];
    lines.extend(text.unwrap_or_default().lines().take(4).map(str::to_owned));
    lines
}
