//! Time that passes at once.

use std::time::Duration;

/// Lets tokio's clock go on by that much. It stands only for the moment: a clock that stands while
/// an answer is on its way would jump to the question's time limit.
pub async fn later(by: Duration) {
    tokio::time::pause();
    tokio::time::advance(by).await;
    tokio::time::resume();
}
