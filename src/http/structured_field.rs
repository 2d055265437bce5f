//! As much of [structured fields](https://www.rfc-editor.org/rfc/rfc9651) as the rate limit fields need: lists and
//! dictionaries of items with parameters. Values are left as they are written.

/// A member of a list, `"name";key=value`, or of a dictionary, `name=value;key=value`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Member<'a> {
    pub(super) name: &'a str,
    pub(super) value: Option<&'a str>,
    parameters: Vec<(&'a str, Option<&'a str>)>,
}

impl<'a> Member<'a> {
    /// The value of a parameter. The last one counts where there are several.
    pub(super) fn parameter(&self, key: &str) -> Option<&'a str> {
        self.parameters.iter().rev().find(|(name, _)| *name == key).and_then(|(_, value)| *value)
    }
}

/// The members of a field; `None` if it is malformed, all of it.
pub(super) fn members(text: &str) -> Option<Vec<Member<'_>>> {
    let mut cursor = Cursor(text);
    cursor.skip_space();
    let mut members = Vec::new();
    loop {
        let name = cursor.item()?;
        let value = cursor.value()?;
        let mut parameters = Vec::new();
        while cursor.skip(';') {
            cursor.skip_space();
            let key = cursor.item()?;
            parameters.push((key, cursor.value()?));
        }
        members.push(Member { name, value, parameters });
        cursor.skip_space();
        if cursor.0.is_empty() {
            return Some(members);
        }
        if !cursor.skip(',') {
            return None;
        }
        cursor.skip_space();
    }
}

struct Cursor<'a>(&'a str);

impl<'a> Cursor<'a> {
    fn skip_space(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '\t']);
    }

    fn skip(&mut self, character: char) -> bool {
        let rest = self.0.strip_prefix(character);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    /// The item after a `=`, if there is one; `None` if it is malformed.
    #[allow(clippy::option_option, reason = "malformed, absent, or there")]
    fn value(&mut self) -> Option<Option<&'a str>> {
        if self.skip('=') { self.item().map(Some) } else { Some(None) }
    }

    /// A token, a number, a boolean; or a string or bytes, without what they stand between.
    fn item(&mut self) -> Option<&'a str> {
        let end_of = |quote: u8, rest: &str| {
            let mut escaped = false;
            rest.bytes().position(|byte| {
                let ends = byte == quote && !escaped;
                escaped = byte == b'\\' && !escaped;
                ends
            })
        };
        for quote in ['"', ':'] {
            if let Some(rest) = self.0.strip_prefix(quote) {
                let end = end_of(quote as u8, rest)?;
                self.0 = &rest[end + 1..];
                return Some(&rest[..end]);
            }
        }
        let end = self.0.find([' ', '\t', ';', ',', '=', '"']).unwrap_or(self.0.len());
        let (item, rest) = self.0.split_at(end);
        self.0 = rest;
        (!item.is_empty()).then_some(item)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lists_and_dictionaries_are_read() {
        let both = members(r#" "a, b";r=50;t=30 , token;pk=:Y2FmZQ==:; x"#).unwrap();
        assert_eq!(both[0].name, "a, b");
        assert_eq!(
            (both[0].parameter("r"), both[0].parameter("t"), both[0].parameter("x")),
            (Some("50"), Some("30"), None)
        );
        assert_eq!((both[1].name, both[1].parameter("pk"), both[1].value), ("token", Some("Y2FmZQ=="), None));

        let dictionary = members("limit=100;w=60, remaining=5").unwrap();
        assert_eq!(
            (dictionary[0].name, dictionary[0].value, dictionary[0].parameter("w")),
            ("limit", Some("100"), Some("60"))
        );
        assert_eq!((dictionary[1].name, dictionary[1].value), ("remaining", Some("5")));
        assert_eq!(members(r#""a\"b";r=1"#).unwrap()[0].name, r#"a\"b"#);
        assert_eq!(members("a;r=1;r=2").unwrap()[0].parameter("r"), Some("2"));
    }

    #[test]
    fn what_is_malformed_is_refused_as_a_whole() {
        for text in
            ["", " ", ",", "a,", "a,,b", "a;", "a;=1", "a=", "a;r=", r#""a"#, r#""a\""#, "a b", r#""a"b"#, "=1", ":a"]
        {
            assert_eq!(members(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_too_odd(text in r#"[ab=,;:" \\0-9é]{0,30}"#) {
            let _ = members(&text);
        }
    }
}
