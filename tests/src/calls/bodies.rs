//! What an INVITE carries besides the SDP: location and additional data, as much as wanted.

use std::fmt::Write as _;

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

    /// SDP, a location (PIDF-LO, RFC 4119 and RFC 5139) and additional data (RFC 7852) of at least
    /// so many bytes altogether.
    #[must_use]
    pub fn of(bytes: usize) -> Self {
        let mut after = format!("\n--{BOUNDARY}\n{LOCATION}");
        let mut number = 0;
        while after.len() < bytes {
            number += 1;
            // Memory does not run out.
            let _ = write!(after, "\n--{BOUNDARY}\n{}", additional_data(number));
        }
        let _ = write!(after, "\n--{BOUNDARY}--\n");
        Self {
            content_type: format!("multipart/mixed; boundary={BOUNDARY}"),
            before: format!("--{BOUNDARY}\nContent-Type: application/sdp\n\n"),
            after,
        }
    }

    /// Bytes of the parts besides the SDP, as the template has them.
    #[must_use]
    pub fn len(&self) -> usize {
        // Each line end becomes two bytes on the wire.
        self.before.len() + self.after.len() + self.after.lines().count()
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

const LOCATION: &str = r#"Content-Type: application/pidf+xml
Content-ID: <location@caller.example>

<?xml version="1.0" encoding="UTF-8"?>
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

/// Who provides the service, as a part of a body (RFC 7852 section 4.1).
fn additional_data(number: u32) -> String {
    format!(
        r#"Content-Type: application/EmergencyCallData.ProviderInfo+xml
Content-ID: <provider-{number}@carrier.example>

<?xml version="1.0" encoding="UTF-8"?>
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
