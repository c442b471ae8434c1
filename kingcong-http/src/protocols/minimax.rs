//! Protocol `minimax`: the vendor's own API. Nearly every refusal is an HTTP 200 with a code in `base_resp`. A
//! short text is answered at once, with the audio in hexadecimal; a long one becomes a task, whose result is an
//! archive. Limits count per account, and no wait is ever asked for.

use async_trait::async_trait;
use kingcong_core::{
    failure::{Failure, FailureKind, Reached},
    id::{ProtocolId, ServiceId},
    measure::{Counts, Measure, Measured},
    operation::Operation,
    provider::{
        Accepted, Access, Call, Health, Laid, Progress, Provider, Reply, Sent, Voice, VoiceOrigin, VoicePage,
    },
    upstream::{UpstreamCredits, UpstreamId},
    work::{AudioFormat, Capabilities, CloneVoice, Output, Speech, Subtitles, Work},
};
use reqwest::{Method, StatusCode, multipart::Form};
use serde_json::{Value, json};

use crate::{
    protocol,
    protocols::ai33::{TASK_ID_BYTES_MAX, cloned, of_key, sample_part},
    settings::AUDIO_ANSWER_BYTES_MAX,
    voice::{
        list::voices,
        srt,
        vendor::{
            MINIMAX_BITRATE, MINIMAX_MODEL, MINIMAX_SAMPLE_RATE, Vendor, asked_mp3, minimax_language,
            minimax_voice_setting, without_voice_settings,
        },
    },
    wire::{
        http::{Auth, BodyError, Exchange, Http, Step, read_bounded, too_large},
        lenient::{count, field, short_text, text},
        refusal::{Refusal, Verdict, classed, classed_task, hides_refusal},
        sink::Writer,
        tar,
    },
};

/// From this many characters on, a text is spoken as a task.
const SYNC_CHARS: usize = 10_000;
/// Longest text of a task, in characters.
const ASYNC_CHARS_MAX: usize = 50_000;
/// Largest archive in bytes.
const ARCHIVE_BYTES_MAX: usize = 256 << 20;
/// What an archive may hold beside the audio, in bytes.
const ARCHIVE_EXTRA_BYTES: usize = 4 << 20;
/// Largest recording that a voice is made from, in bytes.
const SAMPLE_BYTES_MAX: usize = 20_000_000;

/// The protocol.
#[derive(Clone, Debug)]
pub(crate) struct MiniMax {
    http: Http,
    protocol: ProtocolId,
}

impl MiniMax {
    pub(crate) fn new(http: Http) -> Self {
        Self { http, protocol: protocol("minimax") }
    }

    fn exchange<'a>(&'a self, access: &'a Access, step: Step) -> Exchange<'a> {
        Exchange { http: &self.http, access, auth: Auth::Bearer, judge, step }
    }

    /// The exchange, if the route is one that this protocol speaks.
    fn exchange_on_route<'a>(&'a self, access: &'a Access, step: Step) -> Result<Exchange<'a>, Failure> {
        let exchange = self.exchange(access, step);
        match Vendor::of(&exchange)? {
            Vendor::MiniMax => Ok(exchange),
            Vendor::ElevenLabs => {
                Err(exchange.refuses(FailureKind::Unsupported, "MiniMax does not sell ElevenLabs"))
            }
        }
    }

    async fn speak_at_once(
        &self,
        exchange: Exchange<'_>,
        call: &Call,
        speech: &Speech,
    ) -> Result<Sent, Failure> {
        let mut body = speech_body(speech, "sample_rate");
        body["stream"] = json!(false);
        body["output_format"] = json!("hex");
        if speech.subtitles == Subtitles::Srt {
            body["subtitle_enable"] = json!(true);
        }
        let mut writer = Writer::open(&call.sink, call.attempt).await?;
        let request = exchange.request(Method::POST, &["v1", "t2a_v2"], &[])?.json(&body);
        let wait = self.http.settings.synchronous_timeout;
        let hex =
            |answer: &Value| base16ct::mixed::decode_vec(text(field(answer, "data")?, &["audio"])?).ok();
        let (_, answer, audio) = exchange.audio_json(request, wait, AUDIO_ANSWER_BYTES_MAX, hex).await?;
        let data = field(&answer, "data").unwrap_or(&Value::Null);
        let audio = audio
            .filter(|audio| !audio.is_empty())
            .ok_or_else(|| exchange.lacking_audio(&answer, "a success without audio"))?;
        writer.write(&audio).await?;
        let srt = match (speech.subtitles, short_text(data, &["subtitle_file"])) {
            // Subtitles that cannot be had do not undo speech that was paid for.
            (Subtitles::Srt, Some(url)) => exchange.fetch_subtitles(&url).await.ok().flatten(),
            _ => None,
        };
        let srt = srt.and_then(|sentences| srt::from_sentences(&sentences));
        let measured = measured(field(&answer, "extra_info").unwrap_or(&Value::Null));
        let audio = exchange.finish_audio(writer, None, call.attempt, srt).await?;
        Ok(Sent::Done(Reply { output: Output::Audio(audio), cost: None, measured }))
    }

    async fn speak_as_task(&self, exchange: Exchange<'_>, speech: &Speech) -> Result<Sent, Failure> {
        let body = speech_body(speech, "audio_sample_rate");
        let request = exchange.request(Method::POST, &["v1", "t2a_async_v2"], &[])?.json(&body);
        let answer = exchange.json(request, self.http.settings.send_timeout).await?;
        let task = text(&answer, &["task_id"])
            .filter(|id| id.len() <= TASK_ID_BYTES_MAX)
            .ok_or_else(|| exchange.lacking(&answer, "a success without a task id"))?;
        Ok(Sent::Accepted(Accepted { upstream_id: UpstreamId(task), cost: None, balance: None }))
    }

    async fn clone_voice(
        &self,
        exchange: Exchange<'_>,
        call: &Call,
        clone: &CloneVoice,
    ) -> Result<Sent, Failure> {
        if clone.sample.len() > SAMPLE_BYTES_MAX {
            let message = format!("a recording may have at most {SAMPLE_BYTES_MAX} bytes");
            return Err(exchange.refuses(FailureKind::BadRequest, message));
        }
        // A recording that was uploaded in vain is no voice and costs nothing.
        let upload = Exchange { step: Step::Read, ..exchange };
        let form = Form::new().text("purpose", "voice_clone").part("file", sample_part(&upload, clone)?);
        let request = upload.request(Method::POST, &["v1", "files", "upload"], &[])?.multipart(form);
        let answer = upload.json(request, self.http.settings.synchronous_timeout).await?;
        // The id is sent back as it came: as a text it would be refused.
        let file = field(&answer, "file")
            .and_then(|file| field(file, "file_id"))
            .ok_or_else(|| upload.lacking(&answer, "an upload without a file id"))?;

        let voice = format!("kc{}", call.attempt.as_uuid().simple());
        let mut body = json!({"file_id": file, "voice_id": voice});
        if let Some(preview) = &clone.preview_text {
            body["text"] = json!(preview);
            body["model"] = json!(MINIMAX_MODEL);
        }
        let request = exchange.request(Method::POST, &["v1", "voice_clone"], &[])?.json(&body);
        exchange.json(request, self.http.settings.synchronous_timeout).await?;
        Ok(cloned(voice))
    }

    async fn poll_one(&self, call: &Call, upstream_id: &UpstreamId) -> Result<Progress, Failure> {
        let exchange = self.exchange(&call.access, Step::Follow);
        let query = [("task_id", upstream_id.0.as_str())];
        let request = exchange.request(Method::GET, &["v1", "query", "t2a_async_query_v2"], &query)?;
        let answer = exchange.json(request, self.http.settings.poll_timeout).await?;
        let status = text(&answer, &["status"])
            .ok_or_else(|| exchange.lacking(&answer, "an answer that is no task"))?;
        match status.to_lowercase().as_str() {
            "success" => {
                let file = short_text(&answer, &["file_id"])
                    .ok_or_else(|| exchange.unclear("a finished task without a file"))?;
                Ok(Progress::Ready(Laid { url: file, text_url: None, cost: None }))
            }
            status @ ("failed" | "expired") => {
                let refusal =
                    Refusal::of_task(Some(status.to_owned()), text(&answer, &["message", "error_message"]));
                Ok(Progress::Failed(exchange.task_failed(classed_task(&refusal), &refusal)))
            }
            _ => Ok(Progress::Running { percent: None }),
        }
    }

    async fn fetch_archive(
        &self,
        exchange: &Exchange<'_>,
        call: &Call,
        file: &str,
    ) -> Result<Reply, Failure> {
        let mut writer = Writer::open(&call.sink, call.attempt)
            .await
            .map_err(|failure| Failure { reached: Reached::Maybe, ..failure })?;
        let path = ["v1", "files", "retrieve_content"];
        let request = exchange.request(Method::GET, &path, &[("file_id", file)])?;
        let response = exchange.open(request, self.http.settings.download_timeout).await?;
        let limit = usize::try_from(writer.max_bytes()).unwrap_or(usize::MAX);
        let limit = limit.saturating_add(ARCHIVE_EXTRA_BYTES).min(ARCHIVE_BYTES_MAX);
        let bytes = read_bounded(response, limit).await.map_err(|error| match error {
            BodyError::TooLong => too_large(writer.max_bytes()),
            BodyError::Lost(error) => exchange.lost(error),
        })?;
        if let Ok(answer) = serde_json::from_slice(&bytes)
            && hides_refusal(&answer)
        {
            return Err(exchange.refused(&Refusal::from_json(StatusCode::OK, &answer)));
        }
        let (audio, titles, extra) = if tar::is_archive(&bytes) {
            let audio = tar::file_ending(&bytes, &[".mp3", ".wav"])
                .ok_or_else(|| exchange.unclear("an archive without audio"))?;
            (audio, tar::file_ending(&bytes, &[".titles"]), tar::file_ending(&bytes, &[".extra"]))
        } else {
            (&*bytes, None, None)
        };
        writer.write(audio).await?;
        let wanted = matches!(&*call.work, Work::Speech(speech) if speech.subtitles == Subtitles::Srt);
        let titles = titles.filter(|_| wanted).and_then(|titles| std::str::from_utf8(titles).ok());
        let extra: Value = extra.and_then(|extra| serde_json::from_slice(extra).ok()).unwrap_or_default();
        let srt = titles.and_then(srt::from_sentences);
        let audio = exchange.finish_audio(writer, None, call.attempt, srt).await?;
        Ok(Reply { output: Output::Audio(audio), cost: None, measured: measured(&extra) })
    }

    /// Every voice of one kind, or of all; free.
    async fn get_voice(&self, exchange: &Exchange<'_>, kind: &str) -> Result<Value, Failure> {
        let request = exchange.request(Method::POST, &["v1", "get_voice"], &[])?;
        exchange.json(request.json(&json!({"voice_type": kind})), self.http.settings.poll_timeout).await
    }
}

fn speech_body(speech: &Speech, sample_rate: &str) -> Value {
    let mut audio = json!({sample_rate: MINIMAX_SAMPLE_RATE, "channel": 1});
    match speech.format {
        AudioFormat::Wav => audio["format"] = json!("wav"),
        _ => {
            audio["format"] = json!("mp3");
            audio["bitrate"] = json!(MINIMAX_BITRATE);
        }
    }
    json!({
        "model": speech.model.as_deref().unwrap_or(MINIMAX_MODEL),
        "text": speech.text,
        "voice_setting": minimax_voice_setting(&speech.voice, speech.settings),
        "audio_setting": audio,
        "language_boost": minimax_language(speech.language.as_deref()).unwrap_or("auto"),
    })
}

fn measured(info: &Value) -> Measured {
    let counts = Counts::of([
        (Measure::AudioMs, count(info, &["audio_length"])),
        (Measure::Character, count(info, &["usage_characters"])),
    ]);
    counts.into()
}

#[async_trait]
impl Provider for MiniMax {
    fn protocol(&self) -> &ProtocolId {
        &self.protocol
    }

    fn capabilities(&self, _service: &ServiceId) -> Capabilities {
        let both = Capabilities::of(&[Operation::Speech, Operation::CloneVoice]);
        without_voice_settings(both).with_mp3(asked_mp3())
    }

    async fn send(&self, call: &Call) -> Result<Sent, Failure> {
        let exchange = self.exchange_on_route(&call.access, Step::Submit)?;
        match &*call.work {
            Work::Speech(speech) => match speech.text.chars().count() {
                ..SYNC_CHARS => self.speak_at_once(exchange, call, speech).await,
                SYNC_CHARS..=ASYNC_CHARS_MAX if speech.format == AudioFormat::Mp3 => {
                    self.speak_as_task(exchange, speech).await
                }
                SYNC_CHARS..=ASYNC_CHARS_MAX => Err(exchange
                    .refuses(FailureKind::Unsupported, "MiniMax speaks a text of this length as MP3 only")),
                _ => {
                    let message = format!("MiniMax takes at most {ASYNC_CHARS_MAX} characters: cut the text");
                    Err(exchange.refuses(FailureKind::BadRequest, message))
                }
            },
            Work::CloneVoice(clone) => self.clone_voice(exchange, call, clone).await,
            _ => Err(exchange.refuses(FailureKind::Unsupported, "MiniMax does not do this work")),
        }
    }

    async fn poll(&self, calls: &[(Call, UpstreamId)], _page: u32) -> Vec<Result<Progress, Failure>> {
        let mut answers = Vec::with_capacity(calls.len());
        for (call, id) in calls {
            answers.push(self.poll_one(call, id).await);
        }
        answers
    }

    /// The result is laid under the id of a file.
    async fn fetch(&self, call: &Call, laid: &Laid) -> Result<Reply, Failure> {
        self.fetch_archive(&self.exchange(&call.access, Step::Follow), call, &laid.url).await
    }

    /// MiniMax tells no balance; its list of voices tells whether the key lives.
    async fn balance(&self, access: &Access) -> Result<Option<UpstreamCredits>, Failure> {
        let asked = self.get_voice(&self.exchange(access, Step::Read), "voice_cloning").await;
        asked.map(|_| None).map_err(of_key)
    }

    async fn health(&self, _access: &Access) -> Result<Vec<(ServiceId, Health)>, Failure> {
        Ok(Vec::new())
    }

    async fn voices(&self, access: &Access, page: Option<&str>) -> Result<VoicePage, Failure> {
        let exchange = self.exchange_on_route(access, Step::Read)?;
        if page.is_some() {
            return Err(exchange.refuses(FailureKind::BadRequest, "MiniMax lists its voices on one page"));
        }
        let answer = self.get_voice(&exchange, "all").await?;
        let list = |name, origin| voices(field(&answer, name), origin);
        let voices: Vec<Voice> = [
            list("voice_cloning", VoiceOrigin::Cloned),
            list("voice_generation", VoiceOrigin::Cloned),
            list("system_voice", VoiceOrigin::Library),
        ]
        .concat();
        Ok(VoicePage { voices, next: None })
    }
}

/// Judges a refusal by the code in `base_resp`, else by its words and its status.
fn judge(refusal: &Refusal) -> Verdict {
    use FailureKind::{
        AccountRateLimited, BadRequest, Busy, KeyDead, KeyDoubtful, NotAllowed, OutOfCredit, Policy,
    };
    let code = refusal.code.as_deref().and_then(|code| code.parse::<u32>().ok());
    match code {
        Some(1002 | 1039 | 1041 | 2045) => (AccountRateLimited, Reached::No),
        // Not authorized, which a key of another region is too.
        Some(1004) => (KeyDoubtful, Reached::No),
        Some(2049) => (KeyDead, Reached::No),
        Some(1008 | 2056) => (OutOfCredit, Reached::No),
        Some(1026) => (Policy, Reached::No),
        // What was made is refused.
        Some(1027) => (Policy, Reached::Yes),
        Some(1042 | 1043 | 1044 | 2013 | 20132 | 2037 | 2039 | 2048) => (BadRequest, Reached::No),
        // Cloning is off for this account, or the voice is another account's.
        Some(2038 | 2042) => (NotAllowed, Reached::No),
        // Their side broke, and does not say when.
        Some(1000 | 1001 | 1024 | 1033) => (Busy, Reached::Maybe),
        _ => classed(refusal, AccountRateLimited),
    }
}
