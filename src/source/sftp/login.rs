//! Proving to the server who we are: by key, by password, or by both when it wants both.

use super::{
    address,
    connect::{Gate, Ssh, fingerprint},
};
use crate::{
    secret::{Secret, SecretError},
    source::{Failure, Hop, Sftp},
};
use russh::{
    MethodKind, MethodSet,
    client::{AuthResult, Handle, KeyboardInteractiveAuthResponse},
    keys::{Error, HashAlg, PrivateKey, PrivateKeyWithHashAlg, decode_secret_key},
};
use secrecy::{ExposeSecret as _, SecretString};
use std::sync::Arc;

/// More rounds of questions than this, and the server does not want a password.
const ROUNDS: u32 = 8;

/// What came of one method.
enum Answer {
    In,
    /// Not in: whether the method was right, so that another one is wanted beside it, and what is still offered.
    Out {
        partial: bool,
        methods: MethodSet,
    },
}

/// What we have to show.
struct Ours {
    key: Option<Arc<PrivateKey>>,
    password: Option<SecretString>,
}

/// Logs in, and says how: by which methods and with which key.
///
/// # Errors
/// With hop `authenticate`: the methods that were tried, and those that the server offers.
pub(super) async fn login(ssh: &mut Ssh, server: &Sftp) -> Result<String, Failure> {
    let watch = ssh.watch.clone();
    watch.moving(try_all(&mut ssh.handle, server)).await.map_err(|_stalled| {
        refused(format!(
            "`{}` gave no answer while we logged in: {}; run the feed again",
            address(server),
            watch.words()
        ))
        .passing()
    })?
}

async fn try_all(ssh: &mut Handle<Gate>, server: &Sftp) -> Result<String, Failure> {
    let key = server.private_key.as_ref().map(|secret| private_key(server, secret)).transpose()?;
    let password = server.password.as_ref().map(|secret| read(secret, "password")).transpose()?;
    let ours = Ours { key: key.map(Arc::new), password };
    let (mut tried, mut passed): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    // The password is shown only where it is asked for.
    let mut offered = match ours.key {
        Some(_) => None,
        None => match ssh.authenticate_none(&server.username).await.map(Answer::from) {
            Ok(Answer::In) => return Ok("nobody's proof: it asks for none".to_owned()),
            Ok(Answer::Out { methods, .. }) => Some(methods),
            Err(error) => return Err(broken(server, &error)),
        },
    };
    let mut spent = Vec::new();
    for _ in 0..ROUNDS {
        let Some(method) = ours.next(offered.as_ref(), &spent) else { break };
        let name = ours.name(method);
        if !tried.contains(&name) {
            tried.push(name.clone());
        }
        let answer = ours.show(ssh, server, method).await.map_err(|error| broken(server, &error))?;
        match answer {
            Answer::In => {
                passed.push(name);
                return Ok(passed.join(" and "));
            }
            Answer::Out { partial, methods } => {
                if partial {
                    // What was refused before may be wanted now: some servers want the methods in an order.
                    spent.clear();
                    passed.push(name);
                }
                spent.push(method);
                offered = Some(methods);
            }
        }
    }
    Err(not_in(server, &tried, &passed, offered.as_ref()))
}

fn not_in(server: &Sftp, tried: &[String], passed: &[String], offered: Option<&MethodSet>) -> Failure {
    let tried = match tried {
        [] => "nothing, since it does not take what is configured".to_owned(),
        tried => tried.join(", "),
    };
    let right = match passed {
        [] => String::new(),
        passed => format!(" ({} was right, and is not enough)", passed.join(", ")),
    };
    let has = |kind| offered.is_some_and(|methods| methods.contains(&kind));
    let asks = has(MethodKind::Password) || has(MethodKind::KeyboardInteractive);
    let remedy = match (&server.private_key, &server.password) {
        (Some(_), None) if asks && !has(MethodKind::PublicKey) => "name the account's `password` too",
        (Some(_), None) => "register this public key for the account",
        (Some(_), Some(_)) if !passed.is_empty() && asks => "correct the `password`",
        (Some(_), Some(_)) => "register this public key for the account, and correct the `password`",
        (None, _) => "confirm the `password`, or register a key and name it by `private_key`",
    };
    refused(format!(
        "`{}` did not let us in: tried {tried}{right}; the server offers {}. Look at `username`, and with the \
         server's operator {remedy}",
        address(server),
        offers(offered),
    ))
}

impl Ours {
    /// What to show next, of what is offered and was not in vain.
    fn next(&self, offered: Option<&MethodSet>, spent: &[MethodKind]) -> Option<MethodKind> {
        let (key, password) = (self.key.is_some(), self.password.is_some());
        let have = [
            (MethodKind::PublicKey, key),
            (MethodKind::Password, password),
            // Many servers take a password only as the answer to a question.
            (MethodKind::KeyboardInteractive, password),
        ];
        let wanted = |kind| offered.is_none_or(|methods| methods.contains(&kind));
        have.into_iter()
            .find(|(kind, have)| *have && !spent.contains(kind) && wanted(*kind))
            .map(|(kind, _)| kind)
    }

    fn name(&self, method: MethodKind) -> String {
        match &self.key {
            Some(key) if method == MethodKind::PublicKey => {
                format!("publickey ({} {})", key.algorithm().as_str(), fingerprint(key.public_key()))
            }
            Some(_) | None => <&str>::from(&method).to_owned(),
        }
    }

    async fn show(
        &self,
        ssh: &mut Handle<Gate>,
        server: &Sftp,
        method: MethodKind,
    ) -> Result<Answer, russh::Error> {
        match (&self.key, &self.password) {
            (Some(key), _) if method == MethodKind::PublicKey => by_key(ssh, server, Arc::clone(key)).await,
            (_, Some(password)) if method == MethodKind::Password => {
                let result = ssh.authenticate_password(&server.username, password.expose_secret()).await;
                result.map(Answer::from)
            }
            (_, Some(password)) => by_answers(ssh, server, password).await,
            (_, None) => Ok(Answer::Out { partial: false, methods: MethodSet::empty() }),
        }
    }
}

async fn by_key(ssh: &mut Handle<Gate>, server: &Sftp, key: Arc<PrivateKey>) -> Result<Answer, russh::Error> {
    let hash = if key.algorithm().is_rsa() {
        // A server that does not say what it supports is asked with SHA-2: SHA-1 proves nothing any more (RFC
        // 8332).
        ssh.best_supported_rsa_hash().await?.unwrap_or(Some(HashAlg::Sha256))
    } else {
        None
    };
    let key = PrivateKeyWithHashAlg::new(key, hash);
    ssh.authenticate_publickey(&server.username, key).await.map(Answer::from)
}

async fn by_answers(
    ssh: &mut Handle<Gate>,
    server: &Sftp,
    password: &SecretString,
) -> Result<Answer, russh::Error> {
    let mut response = ssh.authenticate_keyboard_interactive_start(&server.username, None::<String>).await?;
    for _ in 0..ROUNDS {
        response = match response {
            KeyboardInteractiveAuthResponse::Success => return Ok(Answer::In),
            KeyboardInteractiveAuthResponse::Failure { remaining_methods, partial_success } => {
                return Ok(Answer::Out { partial: partial_success, methods: remaining_methods });
            }
            KeyboardInteractiveAuthResponse::InfoRequest { prompts, .. } => {
                // The password goes only where nothing would be shown on a screen.
                let answers = prompts
                    .iter()
                    .map(
                        |prompt| {
                            if prompt.echo { String::new() } else { password.expose_secret().to_owned() }
                        },
                    )
                    .collect();
                ssh.authenticate_keyboard_interactive_respond(answers).await?
            }
        };
    }
    Ok(Answer::Out { partial: false, methods: MethodSet::empty() })
}

impl From<AuthResult> for Answer {
    fn from(result: AuthResult) -> Self {
        match result {
            AuthResult::Success => Self::In,
            AuthResult::Failure { remaining_methods, partial_success } => {
                Self::Out { partial: partial_success, methods: remaining_methods }
            }
        }
    }
}

/// Reads and opens the private key.
fn private_key(server: &Sftp, secret: &Secret) -> Result<PrivateKey, Failure> {
    let text = read(secret, "private_key")?;
    let text = text.expose_secret();
    if unusual(text) {
        return Err(refused(format!(
            "the private key {secret} is encrypted in an old way that rosterd does not know; write it anew with \
             `ssh-keygen -p -f FILE`, which keeps the key and takes the present form"
        )));
    }
    let plain = match decode_secret_key(text, None) {
        Ok(key) => return Ok(key),
        Err(error) => error,
    };
    let encrypted = matches!(plain, Error::KeyIsEncrypted)
        || text.contains("ENCRYPTED")
        || (text.trim_start().starts_with("PuTTY-User-Key-File-") && !text.contains("Encryption: none"));
    if !encrypted {
        return Err(refused(format!(
            "the private key {secret} is no key in OpenSSH, PEM or PuTTY form; write the private key there, not \
             the public one"
        )));
    }
    let Some(passphrase) = &server.passphrase else {
        return Err(refused(format!(
            "the private key {secret} is encrypted and no `passphrase` is configured; name it by `passphrase`"
        )));
    };
    let opened = decode_secret_key(text, Some(read(passphrase, "passphrase")?.expose_secret()));
    opened.map_err(|_undecipherable| {
        refused(format!(
            "the passphrase does not open the key: the private key {secret} and the passphrase {passphrase} do not \
             belong together; correct one of them"
        ))
    })
}

/// Whether a PEM file is encrypted as OpenSSL did it before PKCS#8, and not with the one cipher that the library
/// knows there, for the one kind of key.
fn unusual(text: &str) -> bool {
    let known = text.contains("DEK-Info: AES-128-CBC,") && text.contains("BEGIN RSA PRIVATE KEY");
    text.contains("Proc-Type: 4,ENCRYPTED") && !known
}

fn read(secret: &Secret, key: &str) -> Result<SecretString, Failure> {
    secret.read().map_err(|error: SecretError| {
        let source = std::error::Error::source(&error).map(|source| format!(" ({source})"));
        refused(format!("`{key}`: {error}{}", source.unwrap_or_default()))
    })
}

fn offers(methods: Option<&MethodSet>) -> String {
    let names: Vec<&str> = methods.iter().flat_map(|methods| methods.iter()).map(<&str>::from).collect();
    if names.is_empty() { "nothing more".to_owned() } else { names.join(", ") }
}

fn broken(server: &Sftp, error: &russh::Error) -> Failure {
    refused(format!(
        "`{}` ended the connection while we logged in ({error}); look at `username`, and ask its operator \
         whether the account or this host's address is blocked",
        address(server)
    ))
}

fn refused(message: String) -> Failure {
    Failure::at(Hop::Authenticate, message)
}
