//! Parameters in a body: URL-encoded, or multipart with one short text per part.
//!
//! Clients of one and the same token endpoint send the one or the other. Files in parts are not for this.

/// The parameters of a form, in order; none if the body is no form.
pub(super) fn of_body(content_type: &str, body: &[u8]) -> Vec<(String, String)> {
    let (kind, rest) = content_type.split_once(';').unwrap_or((content_type, ""));
    match kind.trim().to_ascii_lowercase().as_str() {
        "application/x-www-form-urlencoded" => form_urlencoded::parse(body).into_owned().collect(),
        "multipart/form-data" => parameter(rest, "boundary").map_or_else(Vec::new, |boundary| parts(boundary, body)),
        _ => Vec::new(),
    }
}

/// `name` in `; name="value"; other=value`.
fn parameter<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.split(';').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"'))
    })
}

fn parts(boundary: &str, body: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(body);
    let delimiter = format!("--{boundary}");
    text.split(delimiter.as_str())
        .filter_map(|part| {
            let (head, value) = part.split_once("\r\n\r\n")?;
            let disposition = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.trim().eq_ignore_ascii_case("content-disposition").then_some(value)
            })?;
            let name = parameter(disposition, "name")?;
            Some((name.to_owned(), value.strip_suffix("\r\n").unwrap_or(value).to_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_form_say_the_same() {
        let pairs = vec![("grant_type".to_owned(), "refresh_token".to_owned()), ("x".to_owned(), "a b".to_owned())];
        assert_eq!(of_body("application/x-www-form-urlencoded", b"grant_type=refresh_token&x=a+b"), pairs);
        let body = "--b1\r\nContent-Disposition: form-data; name=\"grant_type\"\r\n\r\nrefresh_token\r\n--b1\r\n\
                    content-disposition: form-data; name=\"x\"\r\nContent-Type: text/plain\r\n\r\na b\r\n--b1--\r\n";
        assert_eq!(of_body("multipart/form-data; boundary=b1", body.as_bytes()), pairs);
        assert_eq!(of_body("multipart/form-data; boundary=\"b1\"", body.as_bytes()), pairs);
        assert!(of_body("application/json", b"{}").is_empty());
    }
}
