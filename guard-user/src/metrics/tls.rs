//! The certificate that the endpoint shows, read anew when its files change: renewing one must
//! not need a restart.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// A certificate and its key, in files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The chain, PEM.
    pub certificate: PathBuf,
    /// The key, PEM.
    pub key: PathBuf,
}

/// What is shown, and how old its files are.
pub struct Tls {
    files: Files,
    stamps: [Option<SystemTime>; 2],
    acceptor: TlsAcceptor,
}

impl Tls {
    /// Reads the files.
    pub fn read(files: Files) -> io::Result<Self> {
        let stamps = files.stamps();
        Ok(Self { acceptor: acceptor(&files)?, files, stamps })
    }

    /// Shakes hands with the certificate as it is now. One that cannot be read is told once, and
    /// the one before goes on.
    pub fn acceptor(&mut self) -> TlsAcceptor {
        let stamps = self.files.stamps();
        if stamps != self.stamps {
            self.stamps = stamps;
            match acceptor(&self.files) {
                Ok(new) => self.acceptor = new,
                Err(error) => tracing::error!("metrics: {error}; the certificate before goes on"),
            }
        }
        self.acceptor.clone()
    }
}

impl Files {
    fn stamps(&self) -> [Option<SystemTime>; 2] {
        [&self.certificate, &self.key]
            .map(|path| fs::metadata(path).and_then(|known| known.modified()).ok())
    }
}

fn acceptor(Files { certificate, key }: &Files) -> io::Result<TlsAcceptor> {
    let wrong = |what: &PathBuf, error: &dyn std::fmt::Display| {
        io::Error::new(ErrorKind::InvalidData, format!("{}: {error}", what.display()))
    };
    let chain: Vec<_> = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .map_err(|error| wrong(certificate, &error))?;
    if chain.is_empty() {
        return Err(wrong(certificate, &"no certificate in it"));
    }
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| wrong(key, &error))?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|config| config.with_no_client_auth().with_single_cert(chain, secret))
        .map_err(|error| wrong(certificate, &error))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
