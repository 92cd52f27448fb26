//! A sign of life to a dead-man's switch: a server of somebody else's that raises an alarm when it comes no more.

use crate::http;
use std::{fmt, time::Duration};
use url::Url;

/// How long a ping may take.
const TIME_LIMIT: Duration = Duration::from_secs(10);

/// Where the sign of life goes. Whoever knows its path can send it in our place, so nothing shows more than the host.
#[derive(Clone, PartialEq, Eq)]
pub struct Heartbeat {
    url: Url,
}

impl Heartbeat {
    /// A heartbeat for this URL.
    #[must_use]
    pub fn new(url: Url) -> Self {
        Self { url }
    }

    /// Says once that all is well. A redirect is not followed.
    ///
    /// # Errors
    /// Why it was not taken, as the end of a sentence about the server, without the URL.
    pub async fn ping(&self) -> Result<(), String> {
        let mut builder = http::builder().timeout(TIME_LIMIT);
        if http::is_loopback(&self.url) {
            // It may go in the clear, so it stays here.
            builder = builder.no_proxy();
        }
        let client = builder.build().map_err(why)?;
        let answer = client.get(self.url.clone()).send().await.map_err(why)?;
        match answer.status() {
            status if status.is_success() => Ok(()),
            status if status.is_redirection() => Err(format!(
                "answers {}, and no redirect is followed: write the address that it leads to",
                status.as_u16()
            )),
            status => Err(format!("answers {}", status.as_u16())),
        }
    }
}

fn why(error: reqwest::Error) -> String {
    // Its own words would have the path in them.
    let error = error.without_url();
    if error.is_timeout() {
        return format!("did not answer within {} s", TIME_LIMIT.as_secs());
    }
    format!("cannot be reached: {}", http::innermost(&error))
}

impl fmt::Display for Heartbeat {
    /// `https://hc.example/…`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.url.scheme(), self.url.host_str().unwrap_or_default())?;
        if let Some(port) = self.url.port() {
            write!(f, ":{port}")?;
        }
        f.write_str("/…")
    }
}

impl fmt::Debug for Heartbeat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Heartbeat({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        io::{Read, Write},
        net::TcpListener,
    };

    fn to(address: &str) -> Heartbeat {
        Heartbeat::new(Url::parse(&format!("{address}/ping/hunter2?token=hunter2")).unwrap())
    }

    /// What a ping comes to when the server answers so.
    fn answered(answer: &'static str) -> Result<(), String> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let heartbeat = to(&format!("http://{}", listener.local_addr().unwrap()));
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let length = stream.read(&mut request).unwrap();
            assert!(request[..length].starts_with(b"GET /ping/hunter2?token=hunter2 HTTP/1.1\r\n"));
            write!(stream, "HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let result = runtime.block_on(heartbeat.ping());
        server.join().unwrap();
        result
    }

    #[test]
    fn only_a_success_is_taken_for_one_and_no_redirect_is_followed() {
        assert_eq!(answered("200 OK"), Ok(()));
        assert_eq!(answered("204 No Content"), Ok(()));
        assert_eq!(answered("404 Not Found"), Err("answers 404".to_owned()));
        assert_eq!(
            answered("302 Found\r\nLocation: https://elsewhere.example/hunter2"),
            Err("answers 302, and no redirect is followed: write the address that it leads to".to_owned())
        );
    }

    #[test]
    fn nothing_shows_the_path() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let heartbeat = to(&format!("http://{free}"));
        assert_eq!(heartbeat.to_string(), format!("http://{free}/…"));
        assert_eq!(to("https://hc.example").to_string(), "https://hc.example/…");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let failed = runtime.block_on(heartbeat.ping()).unwrap_err();
        for text in [failed, format!("{heartbeat:?}"), format!("{heartbeat:#?}")] {
            assert!(!text.contains("hunter2"), "{text}");
        }
    }
}
