//! Makes messages of pieces, by chance and without any grammar: what stands beside a marker, and
//! nobody thought of, is where two readers differ.

use super::random::Random;

/// Markers, halves of them, what may stand around them, and what must not.
const PIECES: [&str; 89] = [
    "urn:service:sos",
    "urn:service:sos-",
    "urn:emergency:service:responder",
    "urn:",
    "service:",
    "emergency:",
    "emergency",
    "responder",
    "sip:",
    "sips:",
    "tel:",
    "sos",
    "911",
    "112",
    "+1",
    "+",
    "1",
    "9",
    "uid:",
    "esnet.",
    "purpose=",
    "EmergencyCallData.",
    "nena-",
    "@x",
    "x",
    "a",
    "%",
    "%25",
    "%20",
    "%40",
    "%00",
    "%2d",
    "%2e",
    "%3A",
    "%73",
    "%75",
    "25",
    "31",
    "39",
    "<",
    ">",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "-",
    ".",
    ":",
    ";",
    ",",
    "?",
    "#",
    "/",
    "@",
    "=",
    "&",
    "\"",
    "\\",
    "|",
    "!",
    "'",
    "~",
    "*",
    "`",
    "$",
    "^",
    "_",
    " ",
    "\t",
    "\r\n ",
    "\r\n\t",
    "\n ",
    "\r ",
    "\0",
    "\x01",
    "\x0b",
    "\x0c",
    "\x7f",
    "\u{a0}",
    "ä",
    " <",
    "> ",
    ", ",
    "; ",
    ">,",
    "\">",
    "911@",
];
const NAMES: [&str; 6] = ["To", "t", "Route", "Priority", "Resource-Priority", "Call-Info"];
const COLONS: [&str; 4] = [":", ": ", " :", "\r\n : "];

/// A request whose Request-URI, or one of whose header fields, is pieces.
pub fn message(random: &mut Random) -> Vec<u8> {
    if random.once_in(2) {
        return format!("INVITE {} SIP/2.0\r\n\r\n", some(random)).into();
    }
    let (name, colon) = (random.pick(&NAMES), random.pick(&COLONS));
    format!("INVITE sip:a@b SIP/2.0\r\n{name}{colon}{}\r\n\r\n", some(random)).into()
}

/// One of these inputs with parts cut out, parts of others and pieces put in.
pub fn spliced(random: &mut Random, inputs: &[Vec<u8>]) -> Vec<u8> {
    let any =
        |random: &mut Random| inputs.get(random.below(inputs.len())).cloned().unwrap_or_default();
    let mut spliced = any(random);
    for _ in 0..random.between(1, 5) {
        let place = random.between(0, spliced.len());
        let end = (place + random.below(9)).min(spliced.len());
        let put_in = match random.below(4) {
            0 => Vec::new(),
            1 => {
                let other = any(random);
                let from = random.between(0, other.len());
                let to = (from + random.below(60)).min(other.len());
                other.get(from..to).unwrap_or_default().to_vec()
            }
            _ => random.pick(&PIECES).as_bytes().to_vec(),
        };
        let cut = if random.once_in(2) { place } else { end };
        spliced.splice(place..cut, put_in);
    }
    spliced
}

fn some(random: &mut Random) -> String {
    (0..random.between(1, 12)).map(|_| random.pick(&PIECES)).collect()
}
