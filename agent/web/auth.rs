//! Passwords before every path: basic authentication against bcrypt hashes.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};
use tokio::sync::Semaphore;

use super::toolkit::{self, SharedWeb};

/// Passwords checked at the same time. One check burns a core for 70 ms at cost 10; more than two
/// at once would let a guesser starve the polls.
const CHECKS_AT_ONCE: usize = 2;

/// The longest `Authorization` value looked at; bcrypt itself reads no more than 72 bytes.
const MAX_CREDENTIALS: usize = 4096;

/// Who may look. Cheap to clone; clones share what they remember.
#[derive(Clone, Default)]
pub struct Users(Option<Arc<Inner>>);

struct Inner {
    hashes: BTreeMap<String, String>,
    /// A hash that no password has, as dear as the dearest of the real ones.
    decoy: String,
    /// The password that last held, by user: never more entries than users, and no password in
    /// clear, only its keyed hash. Wrong ones are not kept: they would be a guesser's to fill.
    held: ArcSwap<HashMap<String, u128>>,
    keys: (RandomState, RandomState),
    room: Arc<Semaphore>,
}

impl Users {
    /// Users by name and bcrypt hash (well-formed, or they never get in). None: everybody may look.
    pub fn new(hashes: impl IntoIterator<Item = (String, String)>) -> Users {
        let hashes: BTreeMap<String, String> = hashes.into_iter().collect();
        if hashes.is_empty() {
            return Users(None);
        }
        let cost = hashes.values().filter_map(|hash| hash.parse::<bcrypt::HashParts>().ok());
        let cost = cost.map(|parts| parts.get_cost()).max().unwrap_or(bcrypt::DEFAULT_COST);
        Users(Some(Arc::new(Inner {
            decoy: format!("$2b${cost:02}$abcdefghijklmnopqrstuu5Lo0g67CiD3M4RpN1BmBb4Crp5w7dbK"),
            hashes,
            held: ArcSwap::default(),
            keys: (RandomState::new(), RandomState::new()),
            room: Arc::new(Semaphore::new(CHECKS_AT_ONCE)),
        })))
    }

    /// Whether nobody needs a password.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Whether a request with these headers may be answered. A wrong user takes as long as a wrong
    /// password.
    pub async fn authorised(&self, headers: &HeaderMap) -> bool {
        let Some(inner) = &self.0 else { return true };
        let Some((user, password)) = credentials(headers) else { return false };
        let tag = inner.tag(&user, &password);
        let known = inner.hashes.get(&user);
        if known.is_some() && inner.held.load().get(&user) == Some(&tag) {
            return true;
        }
        let hash = known.unwrap_or(&inner.decoy).clone();
        let Ok(permit) = inner.room.clone().acquire_owned().await else { return false };
        let check = tokio::task::spawn_blocking(move || {
            // Held by the work, not by the request: one who hangs up frees no room early.
            let _permit = permit;
            bcrypt::verify(password, &hash).unwrap_or(false)
        });
        let right = check.await.unwrap_or(false) && known.is_some();
        if right {
            inner.held.rcu(|held| {
                let mut held = HashMap::clone(held);
                held.insert(user.clone(), tag);
                held
            });
        }
        right
    }
}

impl Inner {
    /// A keyed hash of 128 bits; the keys are random and never leave the process.
    fn tag(&self, user: &str, password: &[u8]) -> u128 {
        let half = |key: &RandomState| {
            let mut hasher = key.build_hasher();
            hasher.write_usize(user.len());
            hasher.write(user.as_bytes());
            hasher.write(password);
            u128::from(hasher.finish())
        };
        half(&self.keys.0) << 64 | half(&self.keys.1)
    }
}

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Users({})", self.0.as_ref().map_or(0, |inner| inner.hashes.len()))
    }
}

/// The middleware before every path: asks for the password, adds the configured headers.
/// [`super::tls::serve`] puts it in front of whatever it serves.
pub async fn guard(State(web): State<SharedWeb>, request: Request, next: Next) -> Response {
    let web = toolkit::current(&web).await;
    let mut response = if web.users.authorised(request.headers()).await {
        next.run(request).await
    } else {
        (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, "Basic realm=\"opsagent\"")], "unauthorized\n")
            .into_response()
    };
    for (name, value) in &web.headers {
        response.headers_mut().insert(name.clone(), value.clone());
    }
    response
}

/// User and password of a `Basic` authorization.
fn credentials(headers: &HeaderMap) -> Option<(String, Vec<u8>)> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok().filter(|value| value.len() <= MAX_CREDENTIALS)?;
    let (scheme, rest) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = base64::engine::general_purpose::STANDARD.decode(rest.trim()).ok()?;
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    let user = String::from_utf8(decoded[..colon].to_vec()).ok()?;
    Some((user, decoded[colon + 1..].to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(user: &str, password: &str) -> HeaderMap {
        let text = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        HeaderMap::from_iter([(AUTHORIZATION, format!("Basic {text}").parse().unwrap())])
    }

    fn users() -> Users {
        let hash = |password: &str, cost| bcrypt::hash(password, cost).unwrap();
        Users::new([("anna".into(), hash("a:b", 4)), ("otto".into(), hash("o", 5))])
    }

    #[tokio::test]
    async fn the_right_password_is_remembered_and_the_wrong_one_is_not() {
        let users = users();
        let inner = users.0.clone().unwrap();
        assert!(!users.authorised(&headers("anna", "wrong")).await);
        assert!(!users.authorised(&headers("nobody", "a:b")).await);
        assert!(inner.held.load().is_empty());
        for _ in 0..2 {
            assert!(users.authorised(&headers("anna", "a:b")).await);
        }
        assert_eq!(inner.held.load().len(), 1);
        // What is remembered lets in that password alone, and that user alone.
        assert!(!users.authorised(&headers("anna", "a:c")).await);
        assert!(!users.authorised(&headers("otto", "a:b")).await);
        assert!(users.authorised(&headers("otto", "o")).await);
        assert_eq!(inner.held.load().len(), 2);
    }

    #[tokio::test]
    async fn what_is_remembered_needs_no_bcrypt() {
        let users = users();
        assert!(users.authorised(&headers("anna", "a:b")).await);
        // With no room for a check, only what is known is let in.
        let inner = users.0.clone().unwrap();
        inner.room.close();
        assert!(users.authorised(&headers("anna", "a:b")).await);
        assert!(!users.authorised(&headers("otto", "o")).await);
    }

    #[test]
    fn the_decoy_is_as_dear_as_the_dearest_hash_and_a_real_one() {
        let inner = users().0.unwrap();
        assert_eq!(inner.decoy.parse::<bcrypt::HashParts>().unwrap().get_cost(), 5);
        assert_eq!(bcrypt::verify("", &inner.decoy).ok(), Some(false));
    }

    #[tokio::test]
    async fn without_users_everybody_may_look() {
        assert!(Users::new([]).authorised(&HeaderMap::new()).await);
        assert!(Users::default().is_empty());
    }
}
