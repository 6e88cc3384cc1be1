//! What an INVITE carries besides the SDP: location and additional data, as much as wanted.

/// Between the parts of a body.
const BOUNDARY: &str = "next-part";

/// The body of an INVITE: SDP, and parts around it.
#[derive(Clone, Debug)]
pub struct Body {
    content_type: String,
    before: String,
    after: String,
}

impl Body {
    /// SDP alone.
    #[must_use]
    pub fn sdp() -> Self {
        Self {
            content_type: "application/sdp".to_owned(),
            before: String::new(),
            after: String::new(),
        }
    }

    /// SDP, a location (PIDF-LO, RFC 4119 and RFC 5139) and additional data (RFC 7852), all of it
    /// but the SDP itself so many bytes, or what the least takes: 1,500.
    #[must_use]
    pub fn of(bytes: usize) -> Self {
        let before = part("application/sdp", "");
        let mut after = format!("\n{}", part("application/pidf+xml", LOCATION));
        let missing = |after: &str| bytes.saturating_sub(on_wire(&before) + on_wire(after));
        let mut number = 0;
        while missing(&after) > 1_000 {
            number += 1;
            after += &part(PROVIDER_TYPE, &provider(number));
        }
        let end = format!("--{BOUNDARY}--\n");
        let comment = part(COMMENT_TYPE, &comment(0));
        let letters = missing(&after).saturating_sub(on_wire(&end) + on_wire(&comment));
        after += &part(COMMENT_TYPE, &self::comment(letters));
        after += &end;
        Self { content_type: format!("multipart/mixed; boundary={BOUNDARY}"), before, after }
    }

    /// Bytes on the wire besides the SDP.
    #[must_use]
    pub fn len(&self) -> usize {
        on_wire(&self.before) + on_wire(&self.after)
    }

    /// Whether there is nothing besides the SDP.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A caller's scenario with this body.
    #[must_use]
    pub(super) fn fill(&self, scenario: &str) -> String {
        let Self { content_type, before, after } = self;
        scenario
            .replacen("CONTENT_TYPE\n", &format!("{content_type}\n"), 1)
            .replacen("\nBEFORE_SDP", &format!("\n{before}"), 1)
            .replacen("\nAFTER_SDP", &format!("\n{after}"), 1)
    }
}

/// How long a text is on the wire, where a line ends with two bytes.
fn on_wire(text: &str) -> usize {
    text.len() + text.matches('\n').count()
}

/// A part of a body (RFC 2046 section 5.1.1). sipp takes away what indents a line.
fn part(content_type: &str, content: &str) -> String {
    let lines = content.lines().map(|line| format!("{}\n", line.trim_start()));
    format!("--{BOUNDARY}\nContent-Type: {content_type}\n\n{}", lines.collect::<String>())
}

const PROVIDER_TYPE: &str = "application/EmergencyCallData.ProviderInfo+xml";
const COMMENT_TYPE: &str = "application/EmergencyCallData.Comment+xml";

const LOCATION: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<presence xmlns="urn:ietf:params:xml:ns:pidf"
          xmlns:gp="urn:ietf:params:xml:ns:pidf:geopriv10"
          xmlns:ca="urn:ietf:params:xml:ns:pidf:geopriv10:civicAddr"
          xmlns:gml="http://www.opengis.net/gml"
          entity="pres:caller@caller.example">
  <tuple id="place">
    <status>
      <gp:geopriv>
        <gp:location-info>
          <gml:Point srsName="urn:ogc:def:crs:EPSG::4326">
            <gml:pos>42.3601 -71.0589</gml:pos>
          </gml:Point>
          <ca:civicAddress>
            <ca:country>US</ca:country>
            <ca:A1>MA</ca:A1>
            <ca:A3>Springfield</ca:A3>
            <ca:RD>Evergreen</ca:RD>
            <ca:STS>Terrace</ca:STS>
            <ca:HNO>742</ca:HNO>
          </ca:civicAddress>
        </gp:location-info>
        <gp:usage-rules/>
        <gp:method>GPS</gp:method>
      </gp:geopriv>
    </status>
    <timestamp>2024-06-18T13:15:00Z</timestamp>
  </tuple>
</presence>
"#;

/// Who provides the service (RFC 7852 section 4.1).
fn provider(number: u32) -> String {
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<pi:EmergencyCallData.ProviderInfo
    xmlns:pi="urn:ietf:params:xml:ns:EmergencyCallData:ProviderInfo">
  <pi:DataProviderReference>{number:08}@carrier.example</pi:DataProviderReference>
  <pi:DataProviderString>Carrier of the tests, unit {number}</pi:DataProviderString>
  <pi:ProviderID>urn:nena:companyid:{number:04}</pi:ProviderID>
  <pi:ProviderIDSeries>NENA</pi:ProviderIDSeries>
  <pi:TypeOfProvider>Telecom Provider</pi:TypeOfProvider>
  <pi:ContactURI>tel:+1-413-555-0100</pi:ContactURI>
  <pi:Language>en</pi:Language>
</pi:EmergencyCallData.ProviderInfo>
"#
    )
}

/// A comment (RFC 7852 section 4.5) of so many letters.
fn comment(letters: usize) -> String {
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<com:EmergencyCallData.Comment xmlns:com="urn:ietf:params:xml:ns:EmergencyCallData:Comment">
  <com:DataProviderReference>1@carrier.example</com:DataProviderReference>
  <com:Comment xml:lang="en">{}</com:Comment>
</com:EmergencyCallData.Comment>
"#,
        "a".repeat(letters)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_as_large_as_wanted() {
        assert!(Body::sdp().is_empty());
        for bytes in [2_000, 2_501, 20_000] {
            assert_eq!(Body::of(bytes).len(), bytes);
        }
        assert!(Body::of(1).len() < 1_500);
    }

    #[test]
    fn a_filled_scenario_has_all_parts() {
        let filled = Body::of(1).fill(crate::calls::party::CALLER);
        for left in ["CONTENT_TYPE", "BEFORE_SDP", "AFTER_SDP"] {
            // The scenario's own comment names one.
            assert_eq!(filled.matches(left).count(), usize::from(left == "CONTENT_TYPE"), "{left}");
        }
        assert_eq!(filled.matches("--next-part").count(), 4);
    }
}
