//! Who we are: a header made from a secret, or a token that is had for one.

use super::{
    client::Client,
    settings::{Auth, OAuth2},
};
use crate::{
    secret::Secret,
    source::{Failure, Hop},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};
use std::time::Duration;
use tokio::time::Instant;

/// A token that says nothing of its end is kept so long.
const UNSAID: Duration = Duration::from_secs(300);
/// How long before its end a token is renewed; of a short-lived one, a tenth of its life.
const EARLY: Duration = Duration::from_secs(60);

/// What is shown to the server, for one read.
pub(super) struct Credentials {
    auth: Auth,
    token: Option<Token>,
    /// How many tokens there were: whoever was refused with an older one need not renew again.
    generation: u64,
    renewed: bool,
}

struct Token {
    value: HeaderValue,
    until: Instant,
}

impl Credentials {
    pub(super) fn new(auth: &Auth) -> Self {
        Self { auth: auth.clone(), token: None, generation: 0, renewed: false }
    }

    /// The headers of the next request, and which token they hold.
    pub(super) async fn headers(&mut self, client: &Client<'_>) -> Result<(u64, HeaderMap), Failure> {
        let (name, value) = match &self.auth {
            Auth::None => return Ok((0, HeaderMap::new())),
            Auth::Bearer(secret) => {
                (AUTHORIZATION, value(&format!("Bearer {}", read(secret)?.expose_secret()))?)
            }
            Auth::Basic { username, password } => (AUTHORIZATION, basic(username, &read(password)?)?),
            // The password says nothing, and `x` is what vendors write in their examples.
            Auth::BasicKey(key) => {
                (AUTHORIZATION, basic(read(key)?.expose_secret().trim(), &SecretString::from("x"))?)
            }
            Auth::Header { name, value: secret } => {
                let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| {
                    Failure::at(Hop::Authenticate, "`auth.header.name` is no name of a header")
                })?;
                (name, value(read(secret)?.expose_secret())?)
            }
            Auth::OAuth2(settings) => {
                let kept = self.token.take().filter(|token| token.until > Instant::now());
                let token = match kept {
                    Some(token) => token,
                    None => {
                        self.generation += 1;
                        token(settings, client).await?
                    }
                };
                let value = token.value.clone();
                self.token = Some(token);
                (AUTHORIZATION, value)
            }
        };
        Ok((self.generation, HeaderMap::from_iter([(name, value)])))
    }

    /// After a 401: whether another try with another token makes sense. A read renews a refused token once.
    pub(super) fn renew(&mut self, refused: u64) -> bool {
        if self.generation > refused {
            return true;
        }
        if self.token.take().is_none() || self.renewed {
            return false;
        }
        self.renewed = true;
        true
    }
}

fn read(secret: &Secret) -> Result<SecretString, Failure> {
    secret.read().map_err(|error| Failure::at(Hop::Authenticate, error.to_string()))
}

fn value(text: &str) -> Result<HeaderValue, Failure> {
    let mut value = HeaderValue::from_str(text.trim()).map_err(|_| {
        Failure::at(Hop::Authenticate, "the secret has characters that no header can have; write it anew")
    })?;
    value.set_sensitive(true);
    Ok(value)
}

fn basic(username: &str, password: &SecretString) -> Result<HeaderValue, Failure> {
    let pair = format!("{username}:{}", password.expose_secret());
    value(&format!("Basic {}", BASE64_STANDARD.encode(pair)))
}

/// What is sent for a token: the form and the headers.
fn asking(settings: &OAuth2) -> Result<(String, HeaderMap), Failure> {
    let secret = read(&settings.client_secret)?;
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("grant_type", "client_credentials");
    if let Some(scope) = &settings.scope {
        form.append_pair("scope", scope);
    }
    let mut headers = HeaderMap::new();
    if settings.in_form {
        form.append_pair("client_id", &settings.client_id)
            .append_pair("client_secret", secret.expose_secret());
    } else {
        headers.insert(AUTHORIZATION, basic(&settings.client_id, &secret)?);
    }
    Ok((form.finish(), headers))
}

async fn token(settings: &OAuth2, client: &Client<'_>) -> Result<Token, Failure> {
    let (form, headers) = asking(settings)?;
    let answer = client.token(&settings.token_url, &form, headers).await?;
    let failed = |why: &str| Failure::at(Hop::Authenticate, format!("no token: {why}"));
    match answer.status {
        200..300 => {}
        400 | 401 | 403 => {
            return Err(failed(&format!(
                "`token_url` answered {}; look whether `client_id` and the secret are right and have not expired",
                answer.status
            )));
        }
        status => return Err(failed(&format!("`token_url` answered {status}; correct it"))),
    }
    let body: serde_json::Value = serde_json::from_slice(&answer.body)
        .map_err(|_| failed("what `token_url` answered is no JSON; correct it"))?;
    let text = body.get("access_token").and_then(serde_json::Value::as_str);
    let text = text.ok_or_else(|| failed("the answer of `token_url` has no `access_token`; correct it"))?;
    let life = match body.get("expires_in") {
        Some(serde_json::Value::Number(seconds)) => seconds.as_u64().map(Duration::from_secs),
        Some(serde_json::Value::String(text)) => text.parse().ok().map(Duration::from_secs),
        Some(_) | None => None,
    };
    // A token that is over at once would be asked for before each request; a 401 renews it anyway.
    let life = life.unwrap_or(UNSAID).clamp(Duration::from_secs(30), Duration::from_secs(86_400));
    let until = Instant::now() + life.saturating_sub(EARLY.min(life / 10));
    Ok(Token { value: value(&format!("Bearer {text}"))?, until })
}
