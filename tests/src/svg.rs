//! What all drawings have in common.

/// A text as it stands between tags, or in an attribute in single quotes.
#[must_use]
pub fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_tag_and_no_attribute_ends_in_a_text() {
        assert_eq!(escaped("a < b & 'c' > d"), "a &lt; b &amp; &#39;c&#39; &gt; d");
        assert_eq!(escaped("&lt;"), "&amp;lt;");
    }
}
