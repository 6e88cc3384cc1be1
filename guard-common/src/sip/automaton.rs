//! How the tables are built that recognise emergency markers, all at compile time.
//!
//! A scan with branches and counters costs the verifier a hundred thousand instructions; one
//! table look-up for each byte costs it seven thousand, and reads no byte twice. Case folding,
//! percent-encoding and the many spellings are all in the table: it is a trie of the forms
//! below, where each letter of a URI can also come as its `%XX`.

use core::ops::ControlFlow;

use crate::bytes::Walker;
use crate::memory::Word;

/// Bytes fall into this many classes (a power of two; fewer are used).
pub(super) const CLASSES: usize = 64;

/// Class of every byte that SIP tokens may not contain and the forms do not name.
pub(super) const OTHER: u8 = 0;
/// Class of every token character (RFC 3261 section 25.1) that the forms do not name.
pub(super) const TOKEN: u8 = 1;
pub(super) const SPACE: u8 = 2;
pub(super) const LINE_END: u8 = 3;
pub(super) const PERCENT: u8 = 4;
pub(super) const LESS: u8 = 5;
/// Class of the byte 0, which leaves every state as it is: what fills up a block of bytes changes
/// nothing. No message has it before its body.
const NOTHING: u8 = 6;
/// First of the classes of `NAMED`, then digits, then letters without case.
const FIRST_NAMED: u8 = 7;
const NAMED: [u8; 13] = *b":.+-@;?>()#/,";
const FIRST_DIGIT: u8 = FIRST_NAMED + NAMED.len() as u8;
const FIRST_LETTER: u8 = FIRST_DIGIT + 10;

/// Nothing can follow that matters.
pub const DEAD: u16 = 0;
/// A marker has been seen.
pub const MATCH: u16 = 1;
/// First state that the tables give a meaning of their own.
pub(super) const FIRST: u16 = 2;

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
/// What ends a service name, or lets a sub-service or parameter follow. A comma ends it where a
/// list of addresses goes without brackets: no grammar has that, and parsers read it.
const URN_ENDS: &[u8] = b".:;@?> \r%#/,";

/// Emergency numbers as the user part of `sip:` and `sips:`, or in `tel:`.
const NUMBERS: [&[u8]; 5] = [b"911", b"+1911", b"+911", b"112", b"+112"];
/// What ends a number.
const NUMBER_ENDS: &[u8] = b":;@?> \r%,";

/// The automaton: for each state and class the next state. `CELLS` is a power of two.
pub(super) struct Automaton<const CELLS: usize> {
    classes: [u8; 256],
    next: [u16; CELLS],
}

impl<const CELLS: usize> Automaton<CELLS> {
    /// The state after one more byte.
    #[must_use]
    #[inline(always)]
    pub(super) fn step(&self, state: u16, byte: u8) -> u16 {
        // The masks keep both look-ups inside their tables whatever the verifier can prove; on
        // valid states they change nothing.
        let class = self.classes.get(usize::from(byte)).copied().unwrap_or(OTHER);
        let place = (usize::from(state) * CLASSES + usize::from(class)) & (CELLS - 1);
        self.next.get(place).copied().unwrap_or(DEAD)
    }
}

/// Where the reading of a message stands.
pub(super) struct Reader<const CELLS: usize> {
    automaton: &'static Automaton<CELLS>,
    state: Word<u16>,
}

impl<const CELLS: usize> Reader<CELLS> {
    /// Begins in this state.
    #[inline(always)]
    pub(super) const fn new(automaton: &'static Automaton<CELLS>, state: u16) -> Self {
        Self { automaton, state: Word::new(state) }
    }

    /// The state now.
    #[inline(always)]
    pub(super) fn state(&self) -> u16 {
        self.state.get()
    }
}

impl<const CELLS: usize> Walker for Reader<CELLS> {
    #[inline(always)]
    fn bytes<const N: usize>(&mut self, bytes: &[u8; N]) -> ControlFlow<()> {
        let mut state = self.state.get();
        for byte in bytes {
            state = self.automaton.step(state, *byte);
        }
        self.state.set(state);
        // Both results are final in the tables, so nothing need be asked between two bytes.
        if state <= MATCH { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// The automaton while it is being built.
pub(super) struct Builder<const CELLS: usize> {
    next: [u16; CELLS],
    free: u16,
    /// The state whose row new ones begin with: where they lead if nothing else is said.
    likeness: u16,
}

#[expect(
    clippy::indexing_slicing,
    reason = "runs at compile time only: a bad index fails the build"
)]
impl<const CELLS: usize> Builder<CELLS> {
    /// An empty table; `free` is the first state without a meaning yet.
    pub(super) const fn new(free: u16) -> Self {
        Self { next: [DEAD; CELLS], free, likeness: DEAD }
    }

    /// The finished automaton.
    pub(super) const fn finish(mut self) -> Automaton<CELLS> {
        let mut state = 0;
        while state < self.free {
            self.link(state, NOTHING, state);
            state += 1;
        }
        let mut classes = [OTHER; 256];
        let mut byte = 0;
        while byte < 256 {
            classes[byte] = class_of(byte as u8);
            byte += 1;
        }
        Automaton { classes, next: self.next }
    }

    /// From now on, new states begin as copies of this one.
    pub(super) const fn begin_like(&mut self, state: u16) {
        self.likeness = state;
    }

    /// Makes one state lead wherever another does.
    pub(super) const fn copy_row(&mut self, from: u16, to: u16) {
        let mut class = 0;
        while class < CLASSES {
            self.next[to as usize * CLASSES + class] = self.next[from as usize * CLASSES + class];
            class += 1;
        }
    }

    /// Leads from `from` to `to` by every class.
    pub(super) const fn link_all(&mut self, from: u16, to: u16) {
        let mut class = 0;
        while class < CLASSES {
            self.next[from as usize * CLASSES + class] = to;
            class += 1;
        }
    }

    /// Leads from `from` to `to` by every byte that a token may hold (RFC 3261 section 25.1).
    pub(super) const fn link_token(&mut self, from: u16, to: u16) {
        let mut byte = 0;
        while byte < 256 {
            if is_token(byte as u8) {
                self.link(from, class_of(byte as u8), to);
            }
            byte += 1;
        }
    }

    /// Leads from `from` to `to` by every byte that no token may hold and that ends no line.
    pub(super) const fn link_no_token(&mut self, from: u16, to: u16) {
        let mut byte = 0;
        while byte < 256 {
            let class = class_of(byte as u8);
            if !is_token(byte as u8) && class != LINE_END {
                self.link(from, class, to);
            }
            byte += 1;
        }
    }

    pub(super) const fn link(&mut self, from: u16, class: u8, to: u16) {
        self.next[from as usize * CLASSES + class as usize] = to;
    }

    const fn target(&self, from: u16, class: u8) -> u16 {
        self.next[from as usize * CLASSES + class as usize]
    }

    pub(super) const fn state(&mut self) -> u16 {
        assert!((self.free as usize + 1) * CLASSES <= CELLS, "raise CELLS");
        self.free += 1;
        self.copy_row(self.likeness, self.free - 1);
        self.free - 1
    }

    /// Whether `from` leads anywhere by this class that its likeness does not.
    const fn is_led(&self, from: u16, class: u8) -> bool {
        self.target(from, class) != self.target(self.likeness, class)
    }

    /// The state behind `from` for this class, made if there is none.
    const fn follow(&mut self, from: u16, class: u8) -> u16 {
        if self.is_led(from, class) {
            return self.target(from, class);
        }
        let target = self.state();
        self.link(from, class, target);
        target
    }

    /// Adds the path of a word without escapes, in any case; returns where it ends.
    pub(super) const fn word(&mut self, from: u16, word: &[u8]) -> u16 {
        let mut state = from;
        let mut index = 0;
        while index < word.len() {
            state = self.follow(state, class_of(word[index]));
            index += 1;
        }
        state
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

    /// Adds the path of a word whose letters may be escaped; returns where it ends.
    pub(super) const fn uri(&mut self, from: u16, word: &[u8]) -> u16 {
        let mut state = from;
        let mut index = 0;
        while index < word.len() {
            let class = class_of(word[index]);
            if !self.is_led(state, class) {
                let target = self.state();
                self.link_byte(state, word[index], target);
            }
            state = self.target(state, class);
            index += 1;
        }
        state
    }

    pub(super) const fn ends(&mut self, state: u16, ends: &[u8]) {
        let mut index = 0;
        while index < ends.len() {
            self.link(state, class_of(ends[index]), MATCH);
            index += 1;
        }
    }

    /// Adds what may stand between digits.
    const fn separators(&mut self, state: u16) {
        self.link_byte(state, b'-', state);
        self.link_byte(state, b'.', state);
        self.link_byte(state, b'(', state);
        self.link_byte(state, b')', state);
    }

    /// Adds emergency numbers behind a scheme, with the visual separators that telephone numbers
    /// may have there, too (RFC 3966 section 3, RFC 3261 section 19.1.6).
    const fn numbers(&mut self, from: u16) {
        self.separators(from);
        let mut number = 0;
        while number < NUMBERS.len() {
            let digits = NUMBERS[number];
            let mut state = from;
            let mut index = 0;
            while index < digits.len() {
                state = self.uri(state, &[digits[index]]);
                self.separators(state);
                index += 1;
            }
            self.ends(state, NUMBER_ENDS);
            number += 1;
        }
    }

    /// Adds every URI that says emergency, beginning at `from`.
    pub(super) const fn markers(&mut self, from: u16) {
        let mut urn = 0;
        while urn < URNS.len() {
            let end = self.uri(from, URNS[urn]);
            self.ends(end, URN_ENDS);
            urn += 1;
        }
        let sip = self.uri(from, b"sip");
        let user = self.uri(sip, b":");
        let sips = self.uri(sip, b"s");
        self.link_byte(sips, b':', user);
        self.numbers(user);
        let sos = self.uri(user, b"sos");
        self.ends(sos, URN_ENDS);
        // A B2BUA may put the whole URN into the user part: `sip:urn%3Aservice%3Asos@host`.
        let urns = self.target(from, class_of(b'u'));
        self.link_byte(user, b'u', urns);
        let tel = self.uri(from, b"tel:");
        self.numbers(tel);
    }
}

/// The class of a byte.
#[expect(clippy::indexing_slicing, reason = "the index is below the length")]
pub(super) const fn class_of(byte: u8) -> u8 {
    match byte {
        0 => return NOTHING,
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
pub(super) const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~')
}
