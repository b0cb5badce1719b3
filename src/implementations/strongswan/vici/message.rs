//! VICI messages: a tree of sections, key/value pairs and lists, and its encoding.

use std::fmt;

/// Element types of the message encoding (VICI protocol, "Message format").
mod element {
    pub const SECTION_START: u8 = 1;
    pub const SECTION_END: u8 = 2;
    pub const KEY_VALUE: u8 = 3;
    pub const LIST_START: u8 = 4;
    pub const LIST_ITEM: u8 = 5;
    pub const LIST_END: u8 = 6;
}

/// Sections deeper than this are refused; charon's own go four deep.
const MAX_DEPTH: usize = 16;

/// A section of a VICI message, or the whole message, in the order of the wire.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Message {
    entries: Vec<(String, Entry)>,
}

/// What stands under a name in a section.
#[derive(Clone, PartialEq, Eq)]
pub enum Entry {
    /// A value: text in everything charon says, any octets in what it is told.
    Value(Vec<u8>),
    /// A list of values.
    List(Vec<Vec<u8>>),
    /// A section inside the section.
    Section(Message),
}

/// Bytes that are no VICI message, or a message that cannot be put into bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// The message ends inside an element.
    #[error("VICI message ends at octet {at} inside {what}")]
    Truncated {
        /// Octets into the message.
        at: usize,
        /// What was being read.
        what: &'static str,
    },
    /// An element of a type that does not exist, or that may not stand there.
    #[error("VICI message has element type {found} at octet {at}: expected {expected}")]
    Element {
        /// Octets into the message.
        at: usize,
        /// The element type found.
        found: u8,
        /// What may stand there.
        expected: &'static str,
    },
    /// Sections nested too deep.
    #[error("VICI message nests sections deeper than {MAX_DEPTH}")]
    Depth,
    /// A name that does not fit its one octet of length.
    #[error("the name `{0}` is longer than the 255 octets VICI allows")]
    Name(String),
    /// A value that does not fit its two octets of length.
    #[error("the value of `{name}` has {octets} octets: VICI allows 65535")]
    Value {
        /// The name it belongs to.
        name: String,
        /// Its length.
        octets: usize,
    },
}

impl Message {
    /// A message without entries.
    pub fn new() -> Self {
        Self::default()
    }

    /// The message with `name = value` added.
    pub fn with(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.push(name, Entry::Value(value.into()));
        self
    }

    /// The message with a list added.
    pub fn with_list<T: Into<Vec<u8>>>(mut self, name: impl Into<String>, items: impl IntoIterator<Item = T>) -> Self {
        self.push(name, Entry::List(items.into_iter().map(Into::into).collect()));
        self
    }

    /// The message with a section added.
    pub fn with_section(mut self, name: impl Into<String>, section: Message) -> Self {
        self.push(name, Entry::Section(section));
        self
    }

    /// Adds an entry at the end.
    pub fn push(&mut self, name: impl Into<String>, entry: Entry) {
        self.entries.push((name.into(), entry));
    }

    /// The text of the value `name`; octets that are no UTF-8 are replaced.
    pub fn text(&self, name: &str) -> Option<String> {
        self.entries.iter().find_map(|(entry_name, entry)| match entry {
            Entry::Value(value) if entry_name == name => Some(String::from_utf8_lossy(value).into_owned()),
            _ => None,
        })
    }

    /// Whether the value `name` is `yes`, charon's way to write a flag.
    pub fn flag(&self, name: &str) -> bool {
        self.text(name).as_deref() == Some("yes")
    }

    /// The texts of the list `name`; empty when there is none.
    pub fn list(&self, name: &str) -> Vec<String> {
        self.entries
            .iter()
            .find_map(|(entry_name, entry)| match entry {
                Entry::List(items) if entry_name == name => Some(items),
                _ => None,
            })
            .map(|items| items.iter().map(|item| String::from_utf8_lossy(item).into_owned()).collect())
            .unwrap_or_default()
    }

    /// The section `name`.
    pub fn section(&self, name: &str) -> Option<&Message> {
        self.sections().find_map(|(section_name, section)| (section_name == name).then_some(section))
    }

    /// Every section of this one, with its name, in order.
    pub fn sections(&self) -> impl Iterator<Item = (&str, &Message)> {
        self.entries.iter().filter_map(|(name, entry)| match entry {
            Entry::Section(section) => Some((name.as_str(), section)),
            Entry::Value(_) | Entry::List(_) => None,
        })
    }

    /// The names of the values of this section, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|(name, _)| name.as_str())
    }

    /// Appends the encoding to `bytes`.
    pub fn encode(&self, bytes: &mut Vec<u8>) -> Result<(), MessageError> {
        for (name, entry) in &self.entries {
            match entry {
                Entry::Value(value) => {
                    bytes.push(element::KEY_VALUE);
                    put_name(bytes, name)?;
                    put_value(bytes, name, value)?;
                }
                Entry::List(items) => {
                    bytes.push(element::LIST_START);
                    put_name(bytes, name)?;
                    for item in items {
                        bytes.push(element::LIST_ITEM);
                        put_value(bytes, name, item)?;
                    }
                    bytes.push(element::LIST_END);
                }
                Entry::Section(section) => {
                    bytes.push(element::SECTION_START);
                    put_name(bytes, name)?;
                    section.encode(bytes)?;
                    bytes.push(element::SECTION_END);
                }
            }
        }
        Ok(())
    }

    /// Reads the message that `bytes` are.
    pub fn decode(bytes: &[u8]) -> Result<Self, MessageError> {
        let mut reader = Reader { bytes, at: 0 };
        let mut open = vec![(String::new(), Self::new())];
        while let Some(kind) = reader.next_element() {
            let at = reader.at - 1;
            match kind {
                element::KEY_VALUE => {
                    let name = reader.name()?;
                    let value = reader.value()?;
                    innermost(&mut open).push(name, Entry::Value(value));
                }
                element::LIST_START => {
                    let name = reader.name()?;
                    let items = reader.items()?;
                    innermost(&mut open).push(name, Entry::List(items));
                }
                element::SECTION_START if open.len() > MAX_DEPTH => return Err(MessageError::Depth),
                element::SECTION_START => open.push((reader.name()?, Self::new())),
                element::SECTION_END if open.len() > 1 => {
                    if let Some((name, section)) = open.pop() {
                        innermost(&mut open).push(name, Entry::Section(section));
                    }
                }
                found => {
                    let expected = "a section, a key/value pair or a list";
                    return Err(MessageError::Element { at, found, expected });
                }
            }
        }
        match open.pop() {
            Some((_, message)) if open.is_empty() => Ok(message),
            _ => Err(MessageError::Truncated { at: bytes.len(), what: "a section" }),
        }
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_map().entries(self.entries.iter().map(|(name, entry)| (name, entry))).finish()
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(value) => write!(formatter, "{:?}", String::from_utf8_lossy(value)),
            Self::List(items) => {
                formatter.debug_list().entries(items.iter().map(|item| String::from_utf8_lossy(item))).finish()
            }
            Self::Section(section) => section.fmt(formatter),
        }
    }
}

fn innermost(open: &mut [(String, Message)]) -> &mut Message {
    &mut open.last_mut().expect("the root is never closed while elements are read").1
}

fn put_name(bytes: &mut Vec<u8>, name: &str) -> Result<(), MessageError> {
    let length = u8::try_from(name.len()).map_err(|_| MessageError::Name(name.to_owned()))?;
    bytes.push(length);
    bytes.extend_from_slice(name.as_bytes());
    Ok(())
}

fn put_value(bytes: &mut Vec<u8>, name: &str, value: &[u8]) -> Result<(), MessageError> {
    let too_long = |_| MessageError::Value { name: name.to_owned(), octets: value.len() };
    let length = u16::try_from(value.len()).map_err(too_long)?;
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(value);
    Ok(())
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn next_element(&mut self) -> Option<u8> {
        let kind = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(kind)
    }

    fn take(&mut self, count: usize, what: &'static str) -> Result<&[u8], MessageError> {
        let taken =
            self.bytes.get(self.at..self.at + count).ok_or(MessageError::Truncated { at: self.bytes.len(), what })?;
        self.at += count;
        Ok(taken)
    }

    fn name(&mut self) -> Result<String, MessageError> {
        let length = usize::from(self.take(1, "the length of a name")?[0]);
        Ok(String::from_utf8_lossy(self.take(length, "a name")?).into_owned())
    }

    fn value(&mut self) -> Result<Vec<u8>, MessageError> {
        let length = self.take(2, "the length of a value")?;
        let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
        Ok(self.take(length, "a value")?.to_vec())
    }

    fn items(&mut self) -> Result<Vec<Vec<u8>>, MessageError> {
        let mut items = Vec::new();
        loop {
            let at = self.at;
            match self.next_element() {
                Some(element::LIST_ITEM) => items.push(self.value()?),
                Some(element::LIST_END) => return Ok(items),
                Some(found) => {
                    return Err(MessageError::Element { at, found, expected: "a list item or the end of the list" });
                }
                None => return Err(MessageError::Truncated { at, what: "a list" }),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    /// The encoding example of the VICI protocol document.
    fn example() -> (Message, Vec<u8>) {
        let sub_section = Message::new().with("key2", "value2");
        let section = Message::new().with_section("sub-section", sub_section).with_list("list1", ["item1", "item2"]);
        let message = Message::new().with("key1", "value1").with_section("section1", section);
        let bytes = [
            b"\x03\x04key1\x00\x06value1".as_slice(),
            b"\x01\x08section1\x01\x0bsub-section\x03\x04key2\x00\x06value2\x02",
            b"\x04\x05list1\x05\x00\x05item1\x05\x00\x05item2\x06\x02",
        ];
        (message, bytes.concat())
    }

    #[test]
    fn the_example_of_the_protocol_document() {
        let (message, bytes) = example();
        let mut encoded = Vec::new();
        message.encode(&mut encoded).unwrap();
        assert_eq!(encoded, bytes);
        let decoded = Message::decode(&bytes).unwrap();
        assert_eq!(decoded, message);
        let section = decoded.section("section1").unwrap();
        assert_eq!(section.list("list1"), ["item1", "item2"]);
        assert_eq!(section.section("sub-section").unwrap().text("key2").as_deref(), Some("value2"));
    }

    #[test]
    fn every_prefix_of_the_example_is_refused_or_whole() {
        let (_, bytes) = example();
        let whole = [0, 14, bytes.len()];
        for end in 0..=bytes.len() {
            assert_eq!(Message::decode(&bytes[..end]).is_ok(), whole.contains(&end), "{end}");
        }
    }

    #[rstest]
    #[case(b"\x02", "element type 2 at octet 0")]
    #[case(b"\x09", "element type 9 at octet 0")]
    #[case(b"\x04\x01l\x03\x01a\x00\x00\x06", "expected a list item")]
    #[case(b"\x03\x01a\xff\xff", "ends at octet 5 inside a value")]
    fn malformed_messages(#[case] bytes: &[u8], #[case] why: &str) {
        let error = Message::decode(bytes).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let mut bytes = Vec::new();
        assert!(matches!(Message::new().with("n".repeat(256), "").encode(&mut bytes), Err(MessageError::Name(_))));
        let long = Message::new().with("data", vec![0; 65_536]);
        assert!(matches!(long.encode(&mut bytes), Err(MessageError::Value { octets: 65_536, .. })));
        assert_eq!(Message::decode(&b"\x01\x01s".repeat(17)), Err(MessageError::Depth));
    }

    fn any_message() -> impl Strategy<Value = Message> {
        let value = proptest::collection::vec(any::<u8>(), 0..40);
        let leaf = prop_oneof![
            value.clone().prop_map(Entry::Value),
            proptest::collection::vec(value, 0..4).prop_map(Entry::List),
        ];
        let entry = leaf.prop_recursive(4, 32, 4, |inner| {
            proptest::collection::vec(("[a-z0-9_-]{1,12}", inner), 0..4)
                .prop_map(|entries| Entry::Section(Message { entries }))
        });
        proptest::collection::vec(("[a-z0-9_-]{1,12}", entry), 0..6).prop_map(|entries| Message { entries })
    }

    proptest! {
        #[test]
        fn messages_survive_the_wire(message in any_message()) {
            let mut bytes = Vec::new();
            message.encode(&mut bytes).unwrap();
            prop_assert_eq!(Message::decode(&bytes).unwrap(), message);
        }

        #[test]
        fn any_bytes_are_decoded_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(message) = Message::decode(&bytes) {
                let mut again = Vec::new();
                // Names that were no UTF-8 were replaced and may have grown.
                if message.encode(&mut again).is_ok() {
                    prop_assert_eq!(Message::decode(&again).unwrap(), message);
                }
            }
        }
    }
}
