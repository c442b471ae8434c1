//! Fetches results from where an upstream laid them: without the key, within the sink's limit, at once, since
//! such addresses expire.

use kingcong_core::{
    failure::{Failure, Reached},
    id::AttemptId,
    measure::Measured,
    provider::{Call, Laid, Reply, Sink},
    work::{Audio, Output, Subtitles, Work},
};
use reqwest::{
    Response, Url,
    header::{CONTENT_TYPE, LOCATION},
};

use crate::{
    settings::SUBTITLES_BYTES_MAX,
    wire::{
        http::{BodyError, Exchange, causes, read_bounded, too_large},
        reach::Reach,
        sink::{Writer, extension, sniffed},
    },
};

/// Most redirects that a download follows.
const REDIRECTS_MAX: usize = 5;
/// Longest media type that is believed, in bytes.
const CONTENT_TYPE_BYTES_MAX: usize = 64;

impl Exchange<'_> {
    /// Fetches finished speech into the call's sink.
    pub(crate) async fn fetch_speech(&self, call: &Call, laid: &Laid) -> Result<Reply, Failure> {
        // The small file first: when it fails, the large one is not fetched twice.
        let srt = match (&*call.work, &laid.text_url) {
            (Work::Speech(speech), Some(url)) if speech.subtitles == Subtitles::Srt => {
                self.fetch_srt(url).await?
            }
            _ => None,
        };
        let audio = self.fetch_audio(&laid.url, &call.sink, call.attempt, srt).await?;
        Ok(Reply { output: Output::Audio(audio), cost: laid.cost, measured: Measured::NOTHING })
    }

    async fn fetch_audio(
        &self,
        url: &str,
        sink: &Sink,
        attempt: AttemptId,
        srt: Option<String>,
    ) -> Result<Audio, Failure> {
        let response = self.fetch(url).await?;
        if !response.status().is_success() {
            return Err(self.unclear(format!("the result's server answers {}", response.status())));
        }
        let mut writer = Writer::open(sink, attempt)
            .await
            .map_err(|failure| Failure { reached: Reached::Maybe, ..failure })?;
        let told = told_audio_type(&response);
        self.drain(response, &mut writer).await?;
        self.finish_audio(writer, told, attempt, srt).await
    }

    /// Subtitles, if they are there and are SubRip.
    pub(crate) async fn fetch_srt(&self, url: &str) -> Result<Option<String>, Failure> {
        let srt = self.fetch_subtitles(url).await?;
        Ok(srt.filter(|srt| srt.contains("-->") && !srt.starts_with("WEBVTT")))
    }

    /// A subtitle file in any format; none where it is not there, too large or no text. Work that was paid for is
    /// not given up for them.
    pub(crate) async fn fetch_subtitles(&self, url: &str) -> Result<Option<String>, Failure> {
        let response = self.fetch(url).await?;
        let status = response.status();
        if status.is_client_error() {
            return Ok(None);
        }
        if !status.is_success() {
            return Err(self.unclear(format!("the subtitles' server answers {status}")));
        }
        match read_bounded(response, SUBTITLES_BYTES_MAX).await {
            Ok(body) => {
                let text = std::str::from_utf8(&body).ok();
                Ok(text.map(|text| text.trim_start_matches('\u{feff}').to_owned()))
            }
            Err(BodyError::TooLong) => Ok(None),
            Err(BodyError::Lost(error)) => Err(self.unclear(causes(error))),
        }
    }

    /// Asks for a result, and follows redirects to where results may be fetched from.
    async fn fetch(&self, url: &str) -> Result<Response, Failure> {
        let base = self.base_url()?;
        let mut url = self.result_url(url)?;
        for _ in 0..=REDIRECTS_MAX {
            let client = self.http.download(Reach::of(&url, &base)).ok_or_else(|| {
                self.unclear("its address is of a private network, where results are not fetched from")
            })?;
            let request = client.get(url.clone()).timeout(self.http.settings.download_timeout);
            let response = request.send().await.map_err(|error| self.lost(error))?;
            let status = response.status().as_u16();
            tracing::debug!(route = %self.access.route, status, "result's server answered");
            match redirected(&url, &response) {
                Some(next) => url = next,
                None => return Ok(response),
            }
        }
        Err(self.unclear(format!("its server redirects more than {REDIRECTS_MAX} times")))
    }

    /// A result's address, which may be relative to the base URL.
    fn result_url(&self, url: &str) -> Result<Url, Failure> {
        let joined = || {
            let mut base = self.base_url().ok()?;
            base.path_segments_mut().expect("http and https URLs have a path").pop_if_empty().push("");
            base.join(url).ok()
        };
        (Url::parse(url).ok())
            .or_else(joined)
            .filter(|url| matches!(url.scheme(), "http" | "https"))
            .ok_or_else(|| self.unclear("the result's address is no http or https URL"))
    }

    /// Writes an answer that is audio into the sink.
    pub(crate) async fn drain(&self, mut response: Response, writer: &mut Writer) -> Result<(), Failure> {
        if response.content_length().is_some_and(|length| length > writer.max_bytes()) {
            return Err(too_large(writer.max_bytes()));
        }
        while let Some(chunk) = response.chunk().await.map_err(|error| self.lost(error))? {
            writer.write(&chunk).await?;
        }
        Ok(())
    }

    /// Ends a result that was written; `told` is the media type that the upstream gave it, where the bytes do not
    /// tell. Whether it can be delivered is the engine's to say, which reads it whole.
    pub(crate) async fn finish_audio(
        &self,
        writer: Writer,
        told: Option<String>,
        attempt: AttemptId,
        srt: Option<String>,
    ) -> Result<Audio, Failure> {
        let content_type = sniffed(writer.head()).map(str::to_owned).or(told);
        let content_type = content_type.unwrap_or_else(|| "application/octet-stream".to_owned());
        let body = writer.finish(attempt, extension(&content_type)).await?;
        Ok(Audio { body, content_type, srt })
    }
}

/// Where a redirect leads to.
fn redirected(from: &Url, response: &Response) -> Option<Url> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let next = from.join(response.headers().get(LOCATION)?.to_str().ok()?).ok()?;
    matches!(next.scheme(), "http" | "https").then_some(next)
}

/// The media type of an answer, if it says that it is audio.
pub(crate) fn told_audio_type(response: &Response) -> Option<String> {
    let told = response.headers().get(CONTENT_TYPE)?.to_str().ok()?;
    let told = told.split(';').next()?.trim().to_ascii_lowercase();
    (told.starts_with("audio/") && told.len() <= CONTENT_TYPE_BYTES_MAX).then_some(told)
}
