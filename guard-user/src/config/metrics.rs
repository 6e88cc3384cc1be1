//! `[metrics]`: where Prometheus may ask for the counters.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::error::Problem;

/// `[metrics]`. Off unless `listen` is written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Metrics {
    /// Address and port that are listened on.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "address")]
    pub listen: Option<SocketAddr>,
    /// Chain of certificates for TLS, PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<PathBuf>,
    /// Key of the first of them, PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<PathBuf>,
}

/// An address and a port. Names are not looked up.
fn address<'de, D: Deserializer<'de>>(from: D) -> Result<Option<SocketAddr>, D::Error> {
    let text = String::deserialize(from)?;
    text.parse().map(Some).map_err(|_| {
        D::Error::custom(Problem::new(
            format!("{text:?} is no address with a port"),
            "write both, such as 127.0.0.1:9911 or [::1]:9911; names are not looked up",
        ))
    })
}

impl Metrics {
    /// The first setting that makes no sense.
    pub(super) fn check(&self) -> Result<(), (&'static str, Problem)> {
        let Self { listen, certificate, key } = self;
        let wrong = |key, reason: String, next: &str| Err((key, Problem::new(reason, next)));
        match (certificate, key) {
            (Some(_), None) => {
                return wrong(
                    "certificate",
                    "a certificate without its key".to_owned(),
                    "add key = \"/path/of/its/key.pem\"",
                );
            }
            (None, Some(_)) => {
                return wrong(
                    "key",
                    "a key without its certificate".to_owned(),
                    "add certificate = \"/path/of/the/chain.pem\"",
                );
            }
            _ => {}
        }
        for (name, path) in [("certificate", certificate), ("key", key)] {
            if let Some(path) = path.as_ref().filter(|path| !path.is_absolute()) {
                return wrong(
                    name,
                    format!("{} depends on where the guard is started", path.display()),
                    "write a path that begins with /",
                );
            }
        }
        match listen {
            None if certificate.is_some() => wrong(
                "certificate",
                "a certificate, and nobody listens".to_owned(),
                "add listen = \"address:port\", or leave certificate and key out",
            ),
            Some(listen) if listen.port() == 0 => wrong(
                "listen",
                "port 0 is another one each time".to_owned(),
                "write a port, such as 127.0.0.1:9911",
            ),
            Some(listen) if !listen.ip().is_loopback() && certificate.is_none() => wrong(
                "listen",
                format!("{listen} can be reached from other hosts, and would be read in the clear"),
                "write 127.0.0.1 or [::1], or add certificate and key for TLS",
            ),
            _ => Ok(()),
        }
    }
}
