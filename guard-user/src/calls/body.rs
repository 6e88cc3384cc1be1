//! The session description in a message's body: the body itself, or a part of it.
//!
//! Emergency calls carry location and additional data beside it (`multipart/mixed`, RFC 2046),
//! in any order and nested. Everything else in a body is passed over unread.

/// Parts within parts that are followed; nobody nests deeper than two.
const DEPTH_MAX: u32 = 4;
/// Parts of one body that are looked at.
const PARTS_MAX: usize = 64;

/// The session description of a body. Of one whose end is missing, whole lines alone.
#[must_use]
pub fn sdp(content_type: Option<&[u8]>, body: &[u8], is_cut: bool) -> Option<Vec<u8>> {
    find(content_type, body, is_cut, DEPTH_MAX).map(<[u8]>::to_vec)
}

fn find<'a>(kind: Option<&[u8]>, body: &'a [u8], is_cut: bool, depth: u32) -> Option<&'a [u8]> {
    let name = kind.map(|kind| kind.split(|byte| *byte == b';').next().unwrap_or_default());
    let is_sdp = match name {
        Some(name) => name.trim_ascii().eq_ignore_ascii_case(b"application/sdp"),
        None => body.starts_with(b"v="),
    };
    if is_sdp {
        let whole = if is_cut { whole_lines(body) } else { body };
        return (!whole.trim_ascii().is_empty()).then_some(whole);
    }
    let is_multipart = name
        .and_then(|name| name.trim_ascii().get(..10))
        .is_some_and(|name| name.eq_ignore_ascii_case(b"multipart/"));
    if !is_multipart || depth == 0 {
        return None;
    }
    let delimiter = [b"--".as_slice(), boundary(kind?)?].concat();
    parts(body, &delimiter, is_cut).into_iter().find_map(|(part, is_cut)| {
        let (kind, content) = headed(part);
        find(kind, content, is_cut, depth - 1)
    })
}

fn whole_lines(body: &[u8]) -> &[u8] {
    let end = body.iter().rposition(|byte| *byte == b'\n').map_or(0, |place| place + 1);
    body.get(..end).unwrap_or_default()
}

/// The boundary parameter of a Content-Type.
fn boundary(kind: &[u8]) -> Option<&[u8]> {
    let mut parameters = kind.split(|byte| *byte == b';').skip(1).map(<[u8]>::trim_ascii);
    let found = parameters.find_map(|parameter| {
        let (name, value) = parameter.split_at_checked(8)?;
        let value = value.trim_ascii_start().strip_prefix(b"=")?.trim_ascii();
        name.eq_ignore_ascii_case(b"boundary").then_some(value)
    })?;
    let found = found.strip_prefix(b"\"").unwrap_or(found);
    let found = found.strip_suffix(b"\"").unwrap_or(found);
    (!found.is_empty()).then_some(found)
}

/// The parts between the lines that begin with the delimiter, and whether one's end is missing.
fn parts<'a>(body: &'a [u8], delimiter: &[u8], is_cut: bool) -> Vec<(&'a [u8], bool)> {
    let mut lines = Vec::new();
    let mut place = 0;
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        // Alone on its line: another body's delimiter may begin with this one.
        let behind = line.strip_prefix(delimiter).map(<[u8]>::trim_ascii);
        if matches!(behind, Some(b"" | b"--")) && lines.len() <= PARTS_MAX {
            lines.push((place, place + line.len()));
        }
        place += line.len();
    }
    let ends = lines.iter().skip(1).map(|(start, _)| Some(*start)).chain([None]);
    let part = |((_, start), end): (&(usize, usize), Option<usize>)| {
        let part = body.get(*start..end.unwrap_or(body.len())).unwrap_or_default();
        (part, is_cut && end.is_none())
    };
    lines.iter().zip(ends).map(part).collect()
}

/// A part's Content-Type, and what stands behind its headers.
fn headed(part: &[u8]) -> (Option<&[u8]>, &[u8]) {
    let mut kind = None;
    let mut place = 0;
    for line in part.split_inclusive(|byte| *byte == b'\n') {
        place += line.len();
        let line = line.trim_ascii();
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_at_checked(12)
            && name.eq_ignore_ascii_case(b"Content-Type")
        {
            kind = value.trim_ascii_start().strip_prefix(b":").map(<[u8]>::trim_ascii);
        }
    }
    (kind, part.get(place..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed test may panic")]

    use proptest::prelude::*;

    use super::*;

    const MIXED: &str = "preamble\r\n--gate\r\nContent-Type: application/pidf+xml\r\n\r\n<xml/>\r\n\
        --gate\r\nContent-ID: <1>\r\ncontent-type : application/SDP;charset=x\r\n\r\nv=0\r\ns=-\r\n\
        --gate\r\n\r\nlast\r\n--gate--\r\n";

    fn found(kind: &str, body: &str) -> Option<String> {
        sdp(Some(kind.as_bytes()), body.as_bytes(), false)
            .map(|sdp| String::from_utf8(sdp).unwrap())
    }

    #[test]
    fn a_body_that_is_one() {
        assert_eq!(found("application/sdp", "v=0\r\n").as_deref(), Some("v=0\r\n"));
        assert_eq!(found("Application/SDP ; x=y", "v=0\r\n").as_deref(), Some("v=0\r\n"));
        assert_eq!(found("application/pidf+xml", "v=0\r\n"), None);
        assert_eq!(found("application/sdp", ""), None);
        assert_eq!(sdp(None, b"v=0\r\n", false).as_deref(), Some(&b"v=0\r\n"[..]));
        assert_eq!(sdp(None, b"<xml/>", false), None);
    }

    #[test]
    fn a_part_of_a_body() {
        for kind in ["multipart/mixed;boundary=gate", "MULTIPART/mixed; a=b; Boundary = \"gate\""] {
            assert_eq!(found(kind, MIXED).as_deref(), Some("v=0\r\ns=-\r\n"), "{kind}");
        }
        assert_eq!(found("multipart/mixed", MIXED), None);
        let nested =
            format!("--out\r\nContent-Type: multipart/related;boundary=gate\r\n\r\n{MIXED}--out--");
        assert_eq!(
            found("multipart/mixed;boundary=out", &nested).as_deref(),
            Some("v=0\r\ns=-\r\n")
        );
    }

    #[test]
    fn a_part_whose_end_is_missing() {
        let kind = Some(&b"multipart/mixed;boundary=gate"[..]);
        let until = |text: &str| &MIXED.as_bytes()[..MIXED.find(text).unwrap()];
        assert_eq!(sdp(kind, until("=-\r\n"), true).as_deref(), Some(&b"v=0\r\n"[..]));
        assert_eq!(sdp(kind, until("last"), true).as_deref(), Some(&b"v=0\r\ns=-\r\n"[..]));
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(
            kind in prop::collection::vec(any::<u8>(), 0..60),
            body in prop::collection::vec(any::<u8>(), 0..300),
            is_cut: bool,
        ) {
            let _ = sdp(Some(&kind), &body, is_cut);
            let _ = sdp(Some(b"multipart/mixed;boundary=\n"), &body, is_cut);
        }
    }
}
