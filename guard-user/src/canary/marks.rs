//! How a message says emergency: the forms that a stranger's call may come in.
//!
//! What the standards name and what captures show, in start lines and in headers. Must not know
//! who sends them, or by what.

/// Where the marker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In the Request-URI.
    Uri,
    /// In a header, which is looked at only where nothing but a limit decides.
    Header,
}

/// A form.
#[derive(Clone, Copy, Debug)]
struct Form {
    place: Place,
    /// The method, with what stands before it.
    method: &'static str,
    /// The Request-URI; or the header, as a whole line.
    text: &'static str,
}

const fn uri(text: &'static str) -> Form {
    Form { place: Place::Uri, method: "INVITE", text }
}

const fn header(text: &'static str) -> Form {
    Form { place: Place::Header, method: "INVITE", text }
}

/// How many forms there are.
pub const COUNT: usize = 40;

const FORMS: [Form; COUNT] = [
    // RFC 5031, RFC 8147, 3GPP TS 24.229, and spellings that captures show.
    uri("urn:service:sos"),
    uri("urn:service:sos.police"),
    uri("urn:service:sos.fire"),
    uri("urn:service:sos.ambulance"),
    uri("urn:service:sos.ecall.automatic"),
    uri("urn:service:sos.country-specific.us.933"),
    uri("urn:service:sos:198.51.100.1:5060"),
    uri("urn:service:test.sos"),
    uri("urn:service:test.sos.fire"),
    uri("urn:service:test:sos"),
    // NENA STA-010.3: between elements.
    uri("urn:emergency:service:sos"),
    uri("urn:emergency:service:sos.psap"),
    uri("urn:emergency:service:responder.police"),
    // Numbers.
    uri("sip:911@psap.invalid"),
    uri("sip:911@psap.invalid:5060;user=phone"),
    uri("sip:911;phone-context=here@psap.invalid;user=phone"),
    uri("sip:+1911@psap.invalid"),
    uri("sip:9-1-1@psap.invalid"),
    uri("sip:112@psap.invalid"),
    uri("sip:sos@psap.invalid"),
    uri("sips:911@psap.invalid"),
    uri("tel:911"),
    uri("tel:+1-911"),
    uri("tel:112;phone-context=+1"),
    // Percent-encoded, in any case, in brackets, behind empty lines.
    uri("urn%3Aservice%3Asos"),
    uri("sip:urn%3Aservice%3Asos@psap.invalid"),
    uri("sip:%39%31%31@psap.invalid"),
    uri("URN:Service:SOS"),
    uri("<urn:service:sos>"),
    Form { place: Place::Uri, method: "\r\n\r\nINVITE", text: "urn:service:sos" },
    Form { place: Place::Uri, method: "MESSAGE", text: "urn:service:sos" },
    // Headers.
    header("To: <urn:service:sos>"),
    header("t :\r\n <URN:service:sos>"),
    header("To: \"911\" <sip:911@psap.invalid>"),
    header("Route: <urn:emergency:service:sos.psap;lr>"),
    header("Priority: emergency"),
    header("Resource-Priority: esnet.1"),
    header("Call-Info: <urn:emergency:uid:callid:c0ffee:guard.invalid>;purpose=emergency-CallId"),
    header("Call-Info: <https://guard.invalid/1>;purpose=EmergencyCallData.ProviderInfo"),
    header("RESOURCE-PRIORITY : wps.4, esnet.2"),
];

/// A form's name in evidence and tables: what marks it.
#[must_use]
pub fn name(form: usize) -> &'static str {
    match FORMS.get(form) {
        Some(Form { method: "MESSAGE", .. }) => "MESSAGE urn:service:sos",
        Some(Form { method: "\r\n\r\nINVITE", .. }) => "empty lines, urn:service:sos",
        Some(Form { text: "t :\r\n <URN:service:sos>", .. }) => "t, folded: <URN:service:sos>",
        Some(form) => form.text,
        None => "",
    }
}

/// All messages, by form. `.invalid` is nobody's name (RFC 6761): no message reaches anybody.
#[must_use]
pub fn messages() -> Vec<Vec<u8>> {
    let message = |form: &Form| match form.place {
        Place::Uri => request(form.method, form.text, "To: <sip:canary@guard.invalid>"),
        Place::Header => request(form.method, "sip:canary@psap.invalid", form.text),
    };
    FORMS.iter().map(message).collect()
}

/// A request without a marker: from a peer it is a call all the same.
#[must_use]
pub fn request(method: &str, uri: &str, header: &str) -> Vec<u8> {
    let name = method.trim_start();
    format!(
        "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP guard.invalid;branch=z9hG4bKcanary\r\n\
         Max-Forwards: 70\r\nFrom: <sip:canary@guard.invalid>;tag=canary\r\n{header}\r\n\
         Call-ID: canary@guard.invalid\r\nCSeq: 1 {name}\r\nContent-Length: 0\r\n\r\n"
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use guard_common::sip::{headers, start_line};

    use super::*;

    /// Each is recognised where it stands, and those of headers not by their start line already.
    #[test]
    fn every_form_marks_where_it_says() {
        for (number, message) in messages().iter().enumerate() {
            let (text, length) = (message.as_slice(), message.len() as u32);
            let in_line =
                start_line::read(&text, 0, length, start_line::BEGIN) == start_line::MATCH;
            let is_uri = FORMS.get(number).is_some_and(|form| form.place == Place::Uri);
            assert_eq!(in_line, is_uri, "{}", name(number));
            assert!(in_line || headers::say_emergency(&text, 0, length), "{}", name(number));
        }
    }

    #[test]
    fn what_is_unmarked_is_not_recognised() {
        let plain = request("OPTIONS", "sip:canary@psap.invalid", "To: <sip:a@guard.invalid>");
        let text = plain.as_slice();
        assert!(!headers::say_emergency(&text, 0, plain.len() as u32));
    }

    #[test]
    fn names_are_of_one_line_and_told_apart() {
        let names: std::collections::BTreeSet<_> = (0..COUNT).map(name).collect();
        assert_eq!(names.len(), COUNT);
        assert!(names.iter().all(|name| !name.contains('\n')));
    }
}
