//! Damages messages where it hurts: at the letters, separators and line ends that decide.

use super::random::Random;

/// What a reader of SIP may stumble over.
const WORDS: [&[u8]; 30] = [
    b"\r\n",
    b"\r\n ",
    b"\n",
    b"\r",
    b" ",
    b"\t",
    b":",
    b";",
    b"@",
    b"%",
    b"<",
    b">",
    b"\"",
    b",",
    b"\0",
    b"sos",
    b"911",
    b"urn:service:sos",
    b"%73",
    b"%",
    b".",
    b"-",
    b"+1",
    b"To:",
    b"t:",
    b"sip:",
    b"SIP/2.0",
    b"Priority: emergency",
    b"esnet.1",
    b"\xff",
];

/// The message, damaged in a few places.
pub fn message(random: &mut Random, mut message: Vec<u8>) -> Vec<u8> {
    for _ in 0..random.between(1, 4) {
        // The beginning decides more than the end.
        let reach = if random.once_in(2) { message.len().min(64) } else { message.len() };
        let place = random.below(reach + 1);
        once(random, &mut message, place);
    }
    message
}

fn once(random: &mut Random, message: &mut Vec<u8>, place: usize) {
    let length = random.pick(&[1, 2, 4, 16]);
    let end = (place + length).min(message.len());
    match random.below(9) {
        0 => message.truncate(place),
        1 => drop(message.drain(place..end)),
        2 => {
            let again = message.get(place..end).unwrap_or_default().to_vec();
            message.splice(place..place, again);
        }
        3 => drop(message.splice(place..place, random.pick(&WORDS).iter().copied())),
        4 => drop(message.splice(place..end, random.pick(&WORDS).iter().copied())),
        5 => change(message, place, |byte| byte ^ 0x20),
        6 => {
            let bit = 1 << random.below(8);
            change(message, place, |byte| byte ^ bit);
        }
        7 => {
            let byte = random.byte();
            change(message, place, |_| byte);
        }
        _ => {
            if let Some(byte) = message.get(place).copied() {
                message.splice(place..=place, format!("%{byte:02x}").into_bytes());
            }
        }
    }
}

fn change(message: &mut [u8], place: usize, to: impl FnOnce(u8) -> u8) {
    if let Some(byte) = message.get_mut(place) {
        *byte = to(*byte);
    }
}

/// A frame with some bytes of its headers changed, cut or longer.
pub fn frame(random: &mut Random, mut frame: Vec<u8>) -> Vec<u8> {
    for _ in 0..random.between(1, 3) {
        let place = random.between(12, 100.min(frame.len().max(13)));
        let byte = random.byte();
        let bit = 1 << random.below(8);
        change(&mut frame, place, |old| if byte & 1 == 0 { byte } else { old ^ bit });
    }
    if random.once_in(4) {
        // The kernel takes nothing shorter than an Ethernet header.
        frame.truncate(random.between(14, frame.len().max(14)));
    }
    frame
}
