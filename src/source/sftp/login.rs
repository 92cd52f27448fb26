//! Proving to the server who we are: by key, by password, or by both when it wants both.

use super::{
    address,
    connect::{NO_PROGRESS, Ssh, fingerprint},
};
use crate::{
    secret::{Secret, SecretError},
    source::{Failure, Hop, Sftp},
};
use russh::{
    MethodKind, MethodSet,
    client::{AuthResult, KeyboardInteractiveAuthResponse},
    keys::{Error, HashAlg, PrivateKey, PrivateKeyWithHashAlg, decode_secret_key},
};
use secrecy::{ExposeSecret as _, SecretString};
use std::sync::Arc;

/// More rounds of questions than this, and the server does not want a password.
const ROUNDS: u32 = 8;

/// What came of one method.
enum Answer {
    In,
    /// Not in: what the server still offers.
    Out(MethodSet),
}

/// Logs in.
///
/// # Errors
/// With hop `authenticate`: the methods that were tried, and those that the server offers.
pub(super) async fn login(ssh: &mut Ssh, server: &Sftp) -> Result<(), Failure> {
    tokio::time::timeout(NO_PROGRESS, try_all(ssh, server)).await.map_err(|_elapsed| {
        refused(format!(
            "`{}` gave no answer for {} s; run the feed again",
            address(server),
            NO_PROGRESS.as_secs()
        ))
    })?
}

async fn try_all(ssh: &mut Ssh, server: &Sftp) -> Result<(), Failure> {
    let mut tried = Vec::new();
    let mut offered = None;
    if let Some(secret) = &server.private_key {
        let key = Arc::new(private_key(server, secret)?);
        tried.push(format!("publickey ({} {})", key.algorithm().as_str(), fingerprint(key.public_key())));
        match by_key(ssh, server, key).await.map_err(|error| broken(server, &error))? {
            Answer::In => return Ok(()),
            Answer::Out(methods) => offered = Some(methods),
        }
    }
    if let Some(secret) = &server.password {
        let password = read(secret, "password")?;
        let wants = |kind| offered.as_ref().is_none_or(|methods| methods.contains(&kind));
        let (plain, asking) = (wants(MethodKind::Password), wants(MethodKind::KeyboardInteractive));
        if plain {
            tried.push("password".to_owned());
            let answer = ssh.authenticate_password(&server.username, password.expose_secret()).await;
            match answer.map(Answer::from).map_err(|error| broken(server, &error))? {
                Answer::In => return Ok(()),
                Answer::Out(methods) => offered = Some(methods),
            }
        }
        // Many servers take a password only as the answer to a question.
        if asking && offered.as_ref().is_none_or(|methods| methods.contains(&MethodKind::KeyboardInteractive))
        {
            tried.push("keyboard-interactive".to_owned());
            match by_answers(ssh, server, &password).await.map_err(|error| broken(server, &error))? {
                Answer::In => return Ok(()),
                Answer::Out(methods) => offered = Some(methods),
            }
        }
    }
    Err(refused(format!(
        "`{}` did not let us in: tried {}; the server offers {}. Look at `username`, and ask its operator \
         to {}",
        address(server),
        if tried.is_empty() { "nothing".to_owned() } else { tried.join(", ") },
        offers(offered.as_ref()),
        if server.private_key.is_some() {
            "register this public key for the account, or correct the password if one is configured"
        } else {
            "confirm the password, or register a key and name it by `private_key`"
        }
    )))
}

async fn by_key(ssh: &mut Ssh, server: &Sftp, key: Arc<PrivateKey>) -> Result<Answer, russh::Error> {
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

async fn by_answers(ssh: &mut Ssh, server: &Sftp, password: &SecretString) -> Result<Answer, russh::Error> {
    let mut response = ssh.authenticate_keyboard_interactive_start(&server.username, None::<String>).await?;
    for _ in 0..ROUNDS {
        response = match response {
            KeyboardInteractiveAuthResponse::Success => return Ok(Answer::In),
            KeyboardInteractiveAuthResponse::Failure { remaining_methods, .. } => {
                return Ok(Answer::Out(remaining_methods));
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
    Ok(Answer::Out(MethodSet::empty()))
}

impl From<AuthResult> for Answer {
    fn from(result: AuthResult) -> Self {
        match result {
            AuthResult::Success => Self::In,
            AuthResult::Failure { remaining_methods, .. } => Self::Out(remaining_methods),
        }
    }
}

/// Reads and opens the private key.
fn private_key(server: &Sftp, secret: &Secret) -> Result<PrivateKey, Failure> {
    let text = read(secret, "private_key")?;
    let text = text.expose_secret();
    let plain = match decode_secret_key(text, None) {
        Ok(key) => return Ok(key),
        Err(error) => error,
    };
    let encrypted = matches!(plain, Error::KeyIsEncrypted)
        || text.contains("ENCRYPTED")
        || (text.starts_with("PuTTY-User-Key-File-") && !text.contains("Encryption: none"));
    if !encrypted {
        return Err(refused(format!(
            "the private key {secret} is no key in OpenSSH, PEM or PuTTY form; write the private key \
             there, not the public one"
        )));
    }
    let Some(passphrase) = &server.passphrase else {
        return Err(refused(format!(
            "the private key {secret} is encrypted and no `passphrase` is configured; name it by `passphrase`"
        )));
    };
    decode_secret_key(text, Some(read(passphrase, "passphrase")?.expose_secret())).map_err(
        |_undecipherable| {
            refused(format!(
                "the passphrase does not open the key: the private key {secret} and the passphrase \
             {passphrase} do not belong together; correct one of them"
            ))
        },
    )
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
