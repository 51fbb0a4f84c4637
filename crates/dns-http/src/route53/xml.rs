//! XML as Route 53 speaks it: elements and text, bounded, without a DTD and without entities of its own.

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, Event};

/// One element with its children. Attributes are not kept: this API has none but the name space.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) name: String,
    pub(super) text: String,
    children: Vec<Element>,
}

/// Why a text is not an XML document that we take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum XmlFault {
    /// It ends in its middle.
    Truncated,
    /// It is no XML, is nested too deeply, or defines or uses entities.
    NotXml,
}

/// The answers of the API have five.
const DEEPEST: usize = 16;

impl Element {
    /// The root element of the document.
    pub(super) fn parse(document: &[u8]) -> Result<Self, XmlFault> {
        let document = std::str::from_utf8(document).map_err(|_| XmlFault::NotXml)?;
        let mut reader = Reader::from_str(document);
        // The last is the innermost element that is open.
        let mut open: Vec<Self> = Vec::new();
        let mut root = None;
        loop {
            match reader.read_event().map_err(|error| fault_of(&error))? {
                Event::Start(start) if open.len() < DEEPEST && root.is_none() => {
                    open.push(Self::named(start.local_name().as_ref()));
                }
                Event::Empty(start) if root.is_none() => {
                    close(Self::named(start.local_name().as_ref()), &mut open, &mut root);
                }
                Event::End(_) => {
                    let element = open.pop().ok_or(XmlFault::NotXml)?;
                    close(element, &mut open, &mut root);
                }
                Event::Text(text) => append(&text, &mut open)?,
                Event::CData(text) => append(&text, &mut open)?,
                Event::GeneralRef(reference) => append(&resolved(&reference)?, &mut open)?,
                Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
                Event::Eof => return root.filter(|_| open.is_empty()).ok_or(XmlFault::Truncated),
                Event::Start(_) | Event::Empty(_) | Event::DocType(_) => return Err(XmlFault::NotXml),
            }
        }
    }

    fn named(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// The first child with this name.
    pub(super) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// All children with this name.
    pub(super) fn children<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The text of the first child with this name.
    pub(super) fn text_of(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.as_str())
    }
}

fn close(element: Element, open: &mut [Element], root: &mut Option<Element>) {
    match open.last_mut() {
        Some(parent) => parent.children.push(element),
        None => *root = Some(element),
    }
}

/// Text outside the root is white space.
fn append(text: &str, open: &mut [Element]) -> Result<(), XmlFault> {
    match open.last_mut() {
        Some(element) => element.text.push_str(text),
        None if text.trim().is_empty() => {}
        None => return Err(XmlFault::NotXml),
    }
    Ok(())
}

/// One of the five entities that XML has by itself, or a character by its number.
fn resolved(reference: &BytesRef<'_>) -> Result<String, XmlFault> {
    if let Some(character) = reference.resolve_char_ref().map_err(|_| XmlFault::NotXml)? {
        return Ok(character.to_string());
    }
    resolve_predefined_entity(reference).map(str::to_owned).ok_or(XmlFault::NotXml)
}

fn fault_of(error: &quick_xml::Error) -> XmlFault {
    match error {
        // All of these say that the input ended before something was closed.
        quick_xml::Error::Syntax(_) => XmlFault::Truncated,
        _ => XmlFault::NotXml,
    }
}

/// The text as it stands between tags.
pub(super) fn escaped(text: &str) -> String {
    quick_xml::escape::escape(text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_document() {
        let document = br#"<?xml version="1.0" encoding="UTF-8"?>
            <List xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><!-- all -->
              <Item><Value>&quot;a&lt;b&quot; &#34;c&#x22;</Value></Item><Item/><Ends><![CDATA[<no>]]></Ends>
            </List>"#;
        let list = Element::parse(document).unwrap();
        assert_eq!(list.name, "List");
        let values: Vec<_> = list.children("Item").map(|item| item.text_of("Value")).collect();
        assert_eq!(values, [Some("\"a<b\" \"c\""), None]);
        assert_eq!(list.text_of("Ends"), Some("<no>"));
        assert_eq!(list.child("Missing"), None);
    }

    #[test]
    fn what_is_no_document() {
        let deep = "<a>".repeat(17) + &"</a>".repeat(17);
        let bomb = r#"<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>"#;
        let outside = r#"<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>"#;
        for text in
            [&deep, bomb, outside, "<a>&b;</a>", "<a/><b/>", "<a></b>", "<a></a></a>", "text", "<a/>text"]
        {
            assert_eq!(Element::parse(text.as_bytes()), Err(XmlFault::NotXml), "{text}");
        }
        assert_eq!(Element::parse(b"<a>\xff</a>"), Err(XmlFault::NotXml));
        for text in ["", "<a>", "<a><b></b>", "<a><b", "<a><![CDATA[", "<a attribute=\"", "<?xml version"] {
            assert_eq!(Element::parse(text.as_bytes()), Err(XmlFault::Truncated), "{text}");
        }
        let deep = "<a>".repeat(16) + &"</a>".repeat(16);
        assert!(Element::parse(deep.as_bytes()).is_ok());
    }

    proptest! {
        #[test]
        fn what_is_escaped_is_read_again(text in "[ -~\u{e4}\n\t]*") {
            let element = Element::parse(format!("<a>{}</a>", escaped(&text)).as_bytes()).unwrap();
            prop_assert_eq!(element.text, text);
        }

        #[test]
        fn no_text_makes_it_panic(text in any::<Vec<u8>>()) {
            let _ = Element::parse(&text);
        }

        #[test]
        fn no_cut_document_is_taken(end in 1usize..60) {
            let document = "<List><Item><Value>&quot;a&quot;</Value></Item><!-- b --></List>";
            let cut = &document[..end.min(document.len() - 1)];
            prop_assert!(Element::parse(cut.as_bytes()).is_err());
        }
    }
}
