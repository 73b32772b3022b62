//! Many calls of which each is about one object, for APIs that read no more at once.

use std::future::Future;

use futures_util::StreamExt as _;
use landfall_core::{Code, Result};

/// How many are under way at once.
pub(super) const AT_ONCE: usize = 8;

/// What the calls return, without those that found nothing: an error with [`Code::NotFound`] counts as nothing. The first
/// other error is the error of all.
pub(super) async fn each<I, T, F>(these: impl IntoIterator<Item = I>, call: impl Fn(I) -> F) -> Result<Vec<T>>
where
    F: Future<Output = Result<Option<T>>>,
{
    let mut answers = futures_util::stream::iter(these.into_iter().map(call)).buffer_unordered(AT_ONCE);
    let mut all = Vec::new();
    while let Some(answer) = answers.next().await {
        match answer {
            Ok(found) => all.extend(found),
            Err(error) if error.code() == Code::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(all)
}
