//! The next page, as a `Link` header names it (RFC 8288).

use http::{HeaderMap, header};
use url::Url;

/// The target of the link whose relation is `next`; `None` when there is none or it is no URL.
pub(super) fn next(headers: &HeaderMap) -> Option<Url> {
    let text = headers.get_all(header::LINK).into_iter().filter_map(|value| value.to_str().ok());
    text.flat_map(links).find(|(_, parameters)| is_next(parameters))?.0.parse().ok()
}

/// The links of one header: what stands between the angle brackets, and the parameters behind.
fn links(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split('<').skip(1).filter_map(|link| link.split_once('>'))
}

fn is_next(parameters: &str) -> bool {
    parameters.split([';', ',']).any(|parameter| {
        let Some((name, value)) = parameter.split_once('=') else { return false };
        name.trim().eq_ignore_ascii_case("rel") && value.trim().trim_matches('"').eq_ignore_ascii_case("next")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn next_pages() {
        let first = r#"<https://desec.io/?cursor=>; rel="first""#;
        for (text, wanted) in [
            (
                format!(r#"{first}, <https://desec.io/?cursor=a,b>; rel="next""#),
                Some("https://desec.io/?cursor=a,b"),
            ),
            (
                format!(r#"<https://desec.io/?cursor=b>;rel=next, {first}"#),
                Some("https://desec.io/?cursor=b"),
            ),
            (first.to_owned(), None),
            (r#"</relative>; rel="next""#.to_owned(), None),
            ("nonsense".to_owned(), None),
            ("<https://desec.io/".to_owned(), None),
        ] {
            let headers = [(header::LINK, text.parse().unwrap())].into_iter().collect();
            assert_eq!(next(&headers).as_ref().map(Url::as_str), wanted, "{text}");
        }
        assert_eq!(next(&HeaderMap::new()), None);
    }
}
