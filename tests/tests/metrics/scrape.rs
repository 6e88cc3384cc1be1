//! A scrape by hand, and what is in it.

use std::collections::BTreeMap;
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use guard_tests::netns::Namespace;

/// What a scrape brought.
#[derive(Debug, Default)]
pub struct Scrape {
    /// Values by series as it is written: `name{label="value"}`.
    pub series: BTreeMap<String, f64>,
    /// The whole text.
    pub text: String,
}

impl Scrape {
    /// Reads the text format.
    pub fn parse(text: &str) -> Self {
        let mut series = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (name, value) = line.rsplit_once(' ').expect("a name and a value");
            let before = series.insert(name.to_owned(), value.parse().expect("a number"));
            assert_eq!(before, None, "{name} is there twice");
        }
        Self { series, text: text.to_owned() }
    }

    /// The value of a series.
    #[track_caller]
    pub fn value(&self, series: &str) -> f64 {
        *self.series.get(series).unwrap_or_else(|| panic!("no {series} in {}", self.text))
    }

    /// The series of a family.
    pub fn family<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a str, f64)> {
        let of_family = move |series: &str| series.split('{').next() == Some(name);
        self.series
            .iter()
            .map(|(series, value)| (series.as_str(), *value))
            .filter(move |(series, _)| of_family(series))
    }

    /// The sum of a family.
    pub fn sum(&self, name: &str) -> f64 {
        self.family(name).map(|(_, value)| value).sum()
    }
}

/// Asks for `/metrics`.
pub fn scrape(from: &Namespace, address: &str) -> io::Result<Scrape> {
    let answer = ask(from, address, b"GET /metrics HTTP/1.1\r\nHost: guard\r\n\r\n")?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or(io::ErrorKind::InvalidData)?;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert!(head.contains("text/plain; version=0.0.4"), "{head}");
    Ok(Scrape::parse(body))
}

/// Sends these bytes; what comes back until the end.
pub fn ask(from: &Namespace, address: &str, bytes: &[u8]) -> io::Result<String> {
    let mut stream = connect(from, address)?;
    stream.write_all(bytes)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// A connection.
pub fn connect(from: &Namespace, address: &str) -> io::Result<TcpStream> {
    let stream = from.run(|| TcpStream::connect(address)).expect("a namespace")?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    Ok(stream)
}
