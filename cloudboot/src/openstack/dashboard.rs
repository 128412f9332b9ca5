//! The dashboard: does its login page answer?

use http::{Method, StatusCode};
use url::Url;

use crate::rest::{Error, ErrorKind, Reach, Rest, Result, shown};

/// How many redirects are followed before it counts as a loop.
const HOPS: usize = 5;

/// A login page that answered.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoginPage {
    /// Where it stands, after redirects.
    pub url: Url,
}

/// Asks for the dashboard's page at `url` (`https://10.42.0.21/horizon`), follows redirects inside the host, and expects a login form:
/// a form that posts a password.
///
/// # Errors
/// Retryable while the dashboard starts (5xx, no connection); [`ErrorKind::Unexpected`] for a page that is not a login page and for
/// a redirect that leaves the host.
pub async fn login_page(url: &Url, reach: &Reach) -> Result<LoginPage> {
    let rest = Rest::new("the dashboard", reach)?;
    let mut at = url.clone();
    for _ in 0..HOPS {
        let answer = rest.send(Method::GET, at.clone(), &[], None).await?;
        if answer.status.is_redirection() {
            let unexpected = |said: String| {
                Error::new(ErrorKind::Unexpected, answer.operation.clone(), said)
                    .with_status(answer.status)
            };
            let to = answer
                .header("location")
                .ok_or_else(|| unexpected("a redirect without a target".into()))?;
            let to = at
                .join(to)
                .map_err(|e| unexpected(format!("a redirect to something that is no URL: {e}")))?;
            // http to https on the same host is how Apache is set up; anywhere else is not the dashboard that we were given.
            if to.host() != at.host() || (at.scheme() == "https" && to.scheme() != "https") {
                return Err(unexpected(format!(
                    "a redirect that leaves the host: {}",
                    shown(&to)
                )));
            }
            at = to;
            continue;
        }
        let answer = answer.success()?;
        let page = String::from_utf8_lossy(&answer.body).to_ascii_lowercase();
        if page.contains("<form")
            && (page.contains("type=\"password\"") || page.contains("name=\"password\""))
        {
            return Ok(LoginPage { url: at });
        }
        return Err(Error::new(
            ErrorKind::Unexpected,
            answer.operation,
            "a page without a login form",
        )
        .with_status(StatusCode::OK)
        .advice("Is it the dashboard's address? With the charm it is https://ADDRESS/horizon"));
    }
    Err(Error::new(
        ErrorKind::Unexpected,
        format!("the dashboard: GET {}", shown(url)),
        format!("more than {HOPS} redirects in a row"),
    ))
}
