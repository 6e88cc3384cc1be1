//! The table that recognises emergency start lines, built at compile time.
//!
//! A scan with branches and counters costs the verifier a hundred thousand instructions; one
//! table look-up for each byte costs it seven thousand, and reads no byte twice. Case folding,
//! percent-encoding and the many spellings are all in the table: it is a trie of the forms
//! below, where each letter can also come as its `%XX`.

/// Bytes fall into this many classes (a power of two; fewer are used).
const CLASSES: usize = 64;
/// Room for states (a power of two; `build` stops compiling when it does not suffice).
const STATES: usize = 512;

/// Class of every byte that SIP tokens may not contain and the forms do not name.
const OTHER: u8 = 0;
/// Class of every token character (RFC 3261 section 25.1) that the forms do not name.
const TOKEN: u8 = 1;
const SPACE: u8 = 2;
const LINE_END: u8 = 3;
const PERCENT: u8 = 4;
const LESS: u8 = 5;
/// First of the classes of `NAMED`, then digits, then letters without case.
const FIRST_NAMED: u8 = 6;
const NAMED: [u8; 8] = *b":.+-@;?>";
const FIRST_DIGIT: u8 = FIRST_NAMED + NAMED.len() as u8;
const FIRST_LETTER: u8 = FIRST_DIGIT + 10;

/// No emergency start line can follow.
pub const DEAD: u16 = 0;
/// An emergency start line has been seen.
pub const MATCH: u16 = 1;
/// Before the method.
pub const BEGIN: u16 = 2;
const METHOD: u16 = 3;
const URI: u16 = 4;
const FIRST_FREE: u16 = 5;

/// Emergency service names (RFC 5031, RFC 8147; i3 internal routing: STA-010.3 section 2.1.4;
/// `urn:nena` is their older spelling, `test:sos` a misspelling that was seen on the wire).
const URNS: [&[u8]; 7] = [
    b"urn:service:sos",
    b"urn:service:test.sos",
    b"urn:service:test:sos",
    b"urn:emergency:service:sos",
    b"urn:emergency:service:responder",
    b"urn:nena:service:sos",
    b"urn:nena:service:responder",
];
/// What ends a service name, or lets a sub-service or parameter follow.
const URN_ENDS: &[u8] = b".:;@?> \r%";

/// Emergency numbers as the user part of `sip:` and `sips:`, or in `tel:`.
const NUMBERS: [&[u8]; 5] = [b"911", b"+1911", b"+911", b"112", b"+112"];
/// What ends a number.
const NUMBER_ENDS: &[u8] = b":;@?> \r%";

/// The automaton: for each state and class the next state.
pub struct Automaton {
    classes: [u8; 256],
    next: [u16; STATES * CLASSES],
}

/// The one automaton there is.
pub static AUTOMATON: Automaton = build();

impl Automaton {
    /// The state after one more byte.
    #[must_use]
    #[inline(always)]
    pub fn step(&self, state: u16, byte: u8) -> u16 {
        // The masks keep both look-ups inside their tables whatever the verifier can prove; on
        // valid states they change nothing.
        let class = self.classes.get(usize::from(byte)).copied().unwrap_or(OTHER);
        let place = (usize::from(state) * CLASSES + usize::from(class)) & (STATES * CLASSES - 1);
        self.next.get(place).copied().unwrap_or(DEAD)
    }
}

/// The automaton while it is being built.
struct Builder {
    next: [u16; STATES * CLASSES],
    free: u16,
}

#[expect(
    clippy::indexing_slicing,
    reason = "runs at compile time only: a bad index fails the build"
)]
impl Builder {
    const fn link(&mut self, from: u16, class: u8, to: u16) {
        self.next[from as usize * CLASSES + class as usize] = to;
    }

    const fn target(&self, from: u16, class: u8) -> u16 {
        self.next[from as usize * CLASSES + class as usize]
    }

    const fn state(&mut self) -> u16 {
        assert!((self.free as usize) < STATES, "raise STATES");
        self.free += 1;
        self.free - 1
    }

    /// The state behind `from` for this class, made if there is none.
    const fn follow(&mut self, from: u16, class: u8) -> u16 {
        let target = self.target(from, class);
        if target != DEAD {
            return target;
        }
        let target = self.state();
        self.link(from, class, target);
        target
    }

    /// Leads from `from` to `to` by a byte or its percent-encoding, in any case.
    const fn link_byte(&mut self, from: u16, byte: u8, to: u16) {
        self.link(from, class_of(byte), to);
        let escape = self.follow(from, PERCENT);
        // A letter's two cases differ only in the upper digit: 4 and 6, 5 and 7.
        let upper = byte >> 4;
        let half = self.follow(escape, FIRST_DIGIT + upper);
        if upper >= 6 {
            self.link(escape, FIRST_DIGIT + upper - 2, half);
        }
        let lower = byte & 0x0f;
        let class = if lower < 10 { FIRST_DIGIT + lower } else { FIRST_LETTER + lower - 10 };
        self.link(half, class, to);
    }

    /// Adds the path of a word; returns where it ends.
    const fn word(&mut self, from: u16, word: &[u8]) -> u16 {
        let mut state = from;
        let mut index = 0;
        while index < word.len() {
            let mut target = self.target(state, class_of(word[index]));
            if target == DEAD {
                target = self.state();
                self.link_byte(state, word[index], target);
            }
            state = target;
            index += 1;
        }
        state
    }

    const fn ends(&mut self, state: u16, ends: &[u8]) {
        let mut index = 0;
        while index < ends.len() {
            self.link(state, class_of(ends[index]), MATCH);
            index += 1;
        }
    }

    /// Adds emergency numbers behind a scheme, with the visual separators that telephone numbers
    /// may have there, too (RFC 3966 section 3, RFC 3261 section 19.1.6).
    const fn numbers(&mut self, from: u16) {
        let mut number = 0;
        while number < NUMBERS.len() {
            let digits = NUMBERS[number];
            let mut state = from;
            let mut index = 0;
            while index < digits.len() {
                state = self.word(state, &[digits[index]]);
                self.link(state, class_of(b'-'), state);
                self.link(state, class_of(b'.'), state);
                index += 1;
            }
            self.ends(state, NUMBER_ENDS);
            number += 1;
        }
    }
}

/// The class of a byte.
#[expect(clippy::indexing_slicing, reason = "the index is below the length")]
const fn class_of(byte: u8) -> u8 {
    match byte {
        b' ' | b'\t' => return SPACE,
        b'\r' | b'\n' => return LINE_END,
        b'%' => return PERCENT,
        b'<' => return LESS,
        b'0'..=b'9' => return FIRST_DIGIT + byte - b'0',
        b'a'..=b'z' => return FIRST_LETTER + byte - b'a',
        b'A'..=b'Z' => return FIRST_LETTER + byte - b'A',
        b'!' | b'*' | b'_' | b'`' | b'\'' | b'~' => return TOKEN,
        _ => {}
    }
    let mut index = 0;
    while index < NAMED.len() {
        if NAMED[index] == byte {
            return FIRST_NAMED + index as u8;
        }
        index += 1;
    }
    OTHER
}

/// Whether a byte may stand in a method (RFC 3261 section 25.1, `token`).
const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~')
}

#[expect(
    clippy::indexing_slicing,
    reason = "runs at compile time only: a bad index fails the build"
)]
const fn build() -> Automaton {
    let mut builder = Builder { next: [DEAD; STATES * CLASSES], free: FIRST_FREE };
    let mut classes = [OTHER; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = class_of(byte as u8);
        if is_token(byte as u8) {
            builder.link(BEGIN, classes[byte], METHOD);
            builder.link(METHOD, classes[byte], METHOD);
        }
        byte += 1;
    }
    // Line ends before the message are to be ignored (RFC 3261 section 7.5).
    builder.link(BEGIN, LINE_END, BEGIN);
    builder.link(METHOD, SPACE, URI);
    // More than one space, and brackets around the URI, are wrong and do occur (RFC 4475 3.1.2).
    builder.link(URI, SPACE, URI);
    builder.link(URI, LESS, URI);

    let mut urn = 0;
    while urn < URNS.len() {
        let end = builder.word(URI, URNS[urn]);
        builder.ends(end, URN_ENDS);
        urn += 1;
    }
    let sip = builder.word(URI, b"sip");
    let user = builder.word(sip, b":");
    let sips = builder.word(sip, b"s");
    builder.link_byte(sips, b':', user);
    builder.numbers(user);
    let sos = builder.word(user, b"sos");
    builder.ends(sos, URN_ENDS);
    // A B2BUA may put the whole URN into the user part: `sip:urn%3Aservice%3Asos@host`.
    let urns = builder.target(URI, class_of(b'u'));
    builder.link_byte(user, b'u', urns);
    let tel = builder.word(URI, b"tel:");
    builder.numbers(tel);

    Automaton { classes, next: builder.next }
}
