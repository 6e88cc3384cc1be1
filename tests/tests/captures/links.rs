//! Link types: every one that carries IP comes out as an Ethernet frame with the same packet.

use super::*;

/// Locally administered addresses.
const TO: [u8; 6] = [2, 0, 0, 0, 0, 1];
const FROM: [u8; 6] = [2, 0, 0, 0, 0, 2];

/// Puts pieces together.
fn join(pieces: &[&[u8]]) -> Vec<u8> {
    pieces.concat()
}

/// LLC and SNAP before an Ethernet type.
fn snap(number: [u8; 2]) -> Vec<u8> {
    join(&[&[0xaa, 0xaa, 3, 0, 0, 0], &number])
}

/// A data frame of 802.11: frame control, addresses, piece 0, and what a subtype adds.
fn wireless(control: [u8; 2], more: &[u8], number: [u8; 2]) -> Vec<u8> {
    join(&[&control, &[0, 0], &TO, &FROM, &TO, &[0x10, 0], more, &snap(number)])
}

/// A header of radiotap with these words of what is present, and these fields.
fn radiotap(present: &[u32], fields: &[u8]) -> Vec<u8> {
    let words: Vec<u8> = present.iter().flat_map(|word| word.to_le_bytes()).collect();
    let length = u16::try_from(4 + words.len() + fields.len()).unwrap();
    join(&[&[0, 0], &length.to_le_bytes(), &words, fields])
}

/// An attribute of NFLOG, whose length may be that of what follows.
fn attribute(order: Order, kind: u16, value: &[u8], follows: usize) -> Vec<u8> {
    let word = |word: u16| match order {
        Order::Little => word.to_le_bytes(),
        Order::Big => word.to_be_bytes(),
    };
    let length = u16::try_from(4 + value.len() + follows).unwrap();
    let padding = vec![0; value.len().next_multiple_of(4) - value.len()];
    join(&[&word(length), &word(kind), value, &padding])
}

/// What NFLOG puts before a packet that it met at a hook.
fn nflog(order: Order, family: u8, hook: u8, packet: usize) -> Vec<u8> {
    join(&[
        &[family, 0, 0, 5],
        &attribute(order, 1, &[8, 0, hook, 0], 0),
        // A prefix for people.
        &attribute(order, 10, b"dropped: \0", 0),
        &attribute(order, 9, &[], packet),
    ])
}

/// What PFLOG puts before a packet.
fn pflog(length: u8, family: u8, direction: u8) -> Vec<u8> {
    let mut header = vec![0; usize::from(length).next_multiple_of(4)];
    (header[0], header[1]) = (length, family);
    if let Some(place) = header.get_mut(60) {
        *place = direction;
    }
    header
}

/// What a link type may put before a packet: its number, and the header.
type Header = (u16, Vec<u8>);

/// Of one family: its Ethernet type, its number in PPP and in Frame Relay, and among addresses.
fn serial(number: [u8; 2], ppp: u8, nlpid: u8, family: u8) -> Vec<Header> {
    vec![
        (0, vec![family, 0, 0, 0]),
        (9, vec![0xff, 3, 0, ppp]),
        (9, vec![ppp]),
        (50, vec![0, ppp]),
        (12, vec![]),
        (14, vec![]),
        (51, vec![0x11, 0, 0, 1, 0, 9, 0, ppp]),
        (101, vec![]),
        (104, join(&[&[0x0f, 0], &number])),
        (107, vec![0x18, 0x41, 3, nlpid]),
        (107, vec![0x18, 0x40, 0x40, 0x01, 3, 0, nlpid]),
        (107, join(&[&[0x18, 0x41, 3, 0, 0x80, 0, 0, 0], &number])),
        (107, join(&[&[0x18, 0x41], &number])),
        (108, vec![0, 0, 0, family]),
        (113, join(&[&[0; 14], &number])),
        (138, join(&[&[0; 16], &number])),
        (204, vec![0, 0xff, 3, 0, ppp]),
        (204, vec![0, ppp]),
        (205, join(&[&[0, 0x0f, 0], &number])),
        (206, vec![0, 0x18, 0x41, 3, nlpid]),
        (276, join(&[&number, &[0; 18]])),
        (if family == 2 { 228 } else { 229 }, vec![]),
    ]
}

/// Rings, air, and logs.
fn others(number: [u8; 2], family: u8, packet: usize) -> Vec<Header> {
    let plain = wireless([0x08, 0x01], &[], number);
    vec![
        (6, join(&[&[0x10, 0x40], &TO, &FROM, &snap(number)])),
        (6, join(&[&[0x10, 0x40], &TO, &[0x82, 0, 0, 0, 0, 2], &[4, 0, 1, 2], &snap(number)])),
        (10, join(&[&[0x50], &TO, &FROM, &snap(number)])),
        (105, plain.clone()),
        (105, wireless([0x08, 0x03], &FROM, number)),
        (105, wireless([0x88, 0x02], &[0, 0], number)),
        (105, wireless([0x88, 0x83], &join(&[&FROM, &[0, 0], &[1, 2, 3, 4]]), number)),
        (117, pflog(61, family, 1)),
        (117, pflog(45, family, 1)),
        (127, join(&[&radiotap(&[0], &[]), &plain])),
        // A clock, flags that say nothing, and words of more antennas.
        (127, join(&[&radiotap(&[0x8000_0003, 0x8000_0000, 0], &[0; 17]), &plain])),
        // The header of 26 bytes is padded to 28.
        (127, join(&[&radiotap(&[2], &[0x20]), &wireless([0x88, 1], &[0, 0, 9, 9], number)])),
        (239, nflog(Order::Little, family, 1, packet)),
        (239, nflog(Order::Big, family, 0, packet)),
    ]
}

#[test]
fn link_types_that_carry_ip_become_ethernet() {
    let v4 = udp("198.18.7.7:1", "198.51.100.10:2", "hello").frame();
    let v6 = udp("[2001:db8::7]:1", "[2001:db8::10]:2", "hello").frame();
    for (packet, number, ppp, nlpid, family) in
        [(&v4[14..], [8, 0], 0x21, 0xcc, 2), (&v6[14..], [0x86, 0xdd], 0x57, 0x8e, 10)]
    {
        let headers =
            [serial(number, ppp, nlpid, family), others(number, family, packet.len())].concat();
        for (link, header) in headers {
            let bytes = [&header, packet].concat();
            let seen = whole(&Pcap::new(Order::Little, false, link).frame(AT, &bytes).bytes);
            let [Seen { bytes: Some(frame), is_made_up: true, leaving: false, .. }] = &seen[..]
            else {
                panic!("{link} {header:x?}: {seen:x?}");
            };
            assert_eq!(frame[14..], *packet, "{link} {header:x?}");
            assert_eq!(frame[12..14], number, "{link} {header:x?}");
            assert!(Parties::of(frame).to_string().starts_with("udp "), "{link}");
            // Whatever is missing of it is no packet, and no panic.
            for cut in 0..header.len() {
                let file = Pcap::new(Order::Little, false, link).frame(AT, &bytes[..cut]);
                assert_eq!(whole(&file.bytes).len(), 1, "{link} {cut}");
            }
        }
    }
}

#[test]
fn what_the_host_sent_itself_is_known() {
    let packet = &udp("198.18.7.7:1", "198.51.100.10:2", "hello").frame()[14..];
    let mut cooked = vec![0; 20];
    (cooked[0], cooked[10]) = (8, 4);
    for (link, header) in [
        (113, join(&[&[0, 4], &[0; 12], &[8, 0]])),
        (117, pflog(61, 2, 2)),
        (204, vec![1, 0x21]),
        (205, vec![1, 0x0f, 0, 8, 0]),
        (206, vec![1, 0x18, 0x41, 3, 0xcc]),
        (239, nflog(Order::Little, 2, 3, packet.len())),
        (239, nflog(Order::Big, 2, 4, packet.len())),
        (276, cooked),
    ] {
        let bytes = [&header, packet].concat();
        let seen = whole(&Pcap::new(Order::Big, false, link).frame(AT, &bytes).bytes);
        assert!(seen[0].leaving && seen[0].bytes.is_some(), "{link}: {seen:x?}");
    }
}

/// What has no IP, or none that can be read.
#[test]
fn what_carries_no_ip_is_said_to_carry_none() {
    let ip = [8, 0];
    let mut piece = wireless([0x08, 0x01], &[], ip);
    piece[22] = 0x11;
    let mut of_somebody = snap(ip);
    of_somebody[4] = 0x0c;
    let radiotap_of_version_1 = join(&[&[1, 0, 8, 0, 0, 0, 0, 0], &wireless([8, 1], &[], ip)]);
    let mut nflog_of_version_1 = nflog(Order::Little, 2, 1, 40);
    nflog_of_version_1[1] = 1;
    for (link, header) in [
        // What nobody has assigned, or nobody reads.
        (60_000, vec![]),
        (189, vec![]),
        (6, join(&[&[0x10, 0x40], &TO, &FROM, &of_somebody])),
        (10, join(&[&[0x50], &TO, &FROM, &[0x42, 0x42, 3, 0, 0, 0, 8, 0]])),
        // A beacon, no data, encrypted, the first of several pieces, a later one, several in one.
        (105, wireless([0x80, 0x00], &[], ip)),
        (105, wireless([0x48, 0x01], &[], ip)),
        (105, wireless([0x08, 0x41], &[], ip)),
        (105, wireless([0x08, 0x05], &[], ip)),
        (105, piece),
        (105, wireless([0x88, 0x01], &[0x80, 0], ip)),
        (107, vec![0x18, 0x41, 3, 0x81]),
        (107, vec![0x18, 0x40, 0x40, 0x40, 3, 0xcc]),
        (117, pflog(44, 2, 1)),
        (127, radiotap_of_version_1),
        (204, vec![0, 0xc0, 0x21]),
        (239, nflog_of_version_1),
        // An attribute that is shorter than itself.
        (239, vec![2, 0, 0, 0, 3, 0, 1, 0]),
    ] {
        let bytes = [&header[..], &[0x45; 40]].concat();
        let seen = whole(&Pcap::new(Order::Little, false, link).frame(AT, &bytes).bytes);
        assert_eq!(seen[0].bytes, None, "{link} {header:x?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_bytes_are_too_much_for_any_link_type(
        link in 0..300_u16,
        bytes in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let file = Pcap::new(Order::Little, false, link).frame(AT, &bytes);
        prop_assert_eq!(whole(&file.bytes).len(), 1);
    }
}
