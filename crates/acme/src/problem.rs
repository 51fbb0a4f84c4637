//! Problem documents, in which a CA says why it refuses.

use std::fmt;

use fleetcert_jose::ProblemKind;
use fleetcert_names::Identifier;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::rate_limit::without_url;

/// A problem document of an ACME server (RFC 8555 section 6.7, RFC 7807), cut to sizes that can be stored and
/// logged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Error type.
    #[serde(rename = "type")]
    pub kind: ProblemKind,
    /// Sentence of the server, at most 1,024 characters, control characters escaped; may be empty.
    #[serde(default)]
    pub detail: String,
    /// Identifier that the problem is about, where the server names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identifier: Option<Identifier>,
    /// Problems of single identifiers (RFC 8555 section 6.7.1); at most 100.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subproblems: Vec<Problem>,
}

const MAX_DETAIL: usize = 1024;
const MAX_KIND: usize = 200;
const MAX_SUBPROBLEMS: usize = 100;

impl Problem {
    /// Reads the problem in a reply's body, and its `detail` at full length.
    pub(crate) fn parse(body: &[u8]) -> Option<(Self, String)> {
        let document: Value = serde_json::from_slice(body).ok()?;
        let problem = Self::read(&document)?;
        Some((problem, text(&document, "detail").unwrap_or_default().to_owned()))
    }

    /// Reads a problem object. Members that are odd are ignored; an object that says nothing is no problem.
    pub(crate) fn read(document: &Value) -> Option<Self> {
        let subproblems = document.get("subproblems").and_then(Value::as_array).into_iter().flatten();
        let subproblems: Vec<_> = subproblems
            .filter_map(|document| Self::with(document, Vec::new()))
            .take(MAX_SUBPROBLEMS)
            .collect();
        Self::with(document, subproblems)
    }

    fn with(document: &Value, subproblems: Vec<Self>) -> Option<Self> {
        let (urn, detail) = (text(document, "type"), text(document, "detail"));
        if urn.is_none() && detail.is_none() && subproblems.is_empty() {
            return None;
        }
        let identifier = document.get("identifier").and_then(|identifier| text(identifier, "value"));
        Some(Self {
            kind: ProblemKind::from(bounded(urn.unwrap_or("about:blank"), MAX_KIND)),
            detail: bounded(without_url(detail.unwrap_or_default()), MAX_DETAIL),
            identifier: identifier.and_then(|name| name.parse().ok()),
            subproblems,
        })
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(identifier) = &self.identifier {
            write!(f, "{identifier}: ")?;
        }
        match self.detail.as_str() {
            "" => write!(f, "{}", self.kind)?,
            detail => write!(f, "{detail} ({})", self.kind)?,
        }
        for subproblem in &self.subproblems {
            write!(f, "; {subproblem}")?;
        }
        Ok(())
    }
}

fn text<'a>(document: &'a Value, member: &str) -> Option<&'a str> {
    document.get(member).and_then(Value::as_str)
}

/// Returns the beginning of a hostile text, with its control characters escaped, for terminals and logs.
pub(crate) fn bounded(text: &str, max: usize) -> String {
    text.chars()
        .flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] })
        .take(max)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn document_with_subproblems_is_read() {
        let (problem, detail) = Problem::parse(
            br#"{"type":"urn:ietf:params:acme:error:compound","detail":"two\nnames","status":403,"subproblems":[
                {"type":"urn:ietf:params:acme:error:caa","detail":"no","identifier":{"type":"dns","value":"A.test.example"}},
                {"type":"urn:example:odd"}]}"#,
        )
        .unwrap();
        assert_eq!(detail, "two\nnames");
        assert_eq!(problem.kind, ProblemKind::Compound);
        assert_eq!(problem.detail, "two\\nnames");
        assert_eq!(problem.subproblems[0].identifier, Some("a.test.example".parse().unwrap()));
        assert_eq!(problem.subproblems[1].kind, ProblemKind::Other("urn:example:odd".into()));
        let json = serde_json::to_string(&problem).unwrap();
        assert_eq!(serde_json::from_str::<Problem>(&json).unwrap(), problem);
    }

    #[test]
    fn odd_members_do_not_hide_the_problem() {
        for rest in [
            r#""subproblems":null"#,
            r#""subproblems":{}"#,
            r#""subproblems":[null,7,{},{"identifier":[]}]"#,
            r#""identifier":"a.test","status":"403","detail":null"#,
        ] {
            let body = format!(r#"{{"type":"urn:ietf:params:acme:error:badNonce",{rest}}}"#);
            let (problem, _) = Problem::parse(body.as_bytes()).unwrap();
            assert_eq!((problem.kind, problem.subproblems), (ProblemKind::BadNonce, Vec::new()), "{rest}");
        }
    }

    #[test]
    fn other_documents_are_no_problem() {
        for body in ["<html>503</html>", "[]", "{}", r#"{"message":"no route"}"#, r#"{"type":null}"#, "null"]
        {
            assert_eq!(Problem::parse(body.as_bytes()), None, "{body}");
        }
        let untyped = Problem::parse(br#"{"detail":"busy"}"#).unwrap().0;
        assert_eq!(untyped.kind, ProblemKind::Other("about:blank".into()));
    }

    proptest! {
        #[test]
        fn no_document_is_too_long(detail: String, kind: String) {
            let body = serde_json::json!({"type": kind, "detail": detail.repeat(50)}).to_string();
            let (problem, _) = Problem::parse(body.as_bytes()).unwrap();
            prop_assert!(problem.detail.chars().count() <= MAX_DETAIL);
            prop_assert!(!problem.to_string().contains(char::is_control));
        }
    }
}
