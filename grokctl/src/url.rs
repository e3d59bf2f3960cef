//! The URLs of coordinators, as people type them and as they are recorded.

/// A URL from `http://host:port` or `host:port`; `None` when there is nothing.
pub fn url_from_text(text: &str) -> Option<String> {
    let text = text.trim().trim_end_matches('/');
    match text {
        "" => None,
        _ if text.contains("://") => Some(text.to_owned()),
        _ => Some(format!("http://{text}")),
    }
}

/// The port that a URL ends with.
pub fn port_of(url: &str) -> Option<u16> {
    let (_, port) = url.rsplit_once(':')?;
    port.trim_end_matches('/').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_stands_at_the_end() {
        assert_eq!(
            (port_of("http://[::1]:80/"), port_of("http://h")),
            (Some(80), None)
        );
    }
}
