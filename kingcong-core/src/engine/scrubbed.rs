//! The engine's own way to every provider: whatever it says of a failure is without the key's secret, and whatever it
//! says can be stored, also where texts take no NUL. The host's own providers are no exception.

use std::sync::Arc;

use async_trait::async_trait;

use crate::{
    failure::{Failure, FailureKind, Reached},
    id::{ProtocolId, ServiceId},
    provider::{Access, Call, Dropped, Health, Laid, Progress, Provider, Reply, Sent, VoicePage},
    upstream::{UpstreamCredits, UpstreamId},
    vault::{Secret, scrub},
    work::{Audio, Capabilities, Output},
};

/// A provider whose failures do not repeat the secret that they were called with.
#[derive(Debug)]
pub(super) struct Scrubbed(Arc<dyn Provider>);

impl Scrubbed {
    pub(super) fn new(provider: Arc<dyn Provider>) -> Self {
        Self(provider)
    }
}

/// A failure without the secret and without control characters.
fn clean(failure: Failure, secret: &Secret) -> Failure {
    // First the control characters: what they part is a secret once they are gone.
    let clean = |text: &str| scrub(&text.replace(char::is_control, ""), &[secret]);
    Failure { code: failure.code.as_deref().map(clean), message: clean(&failure.message), ..failure }
}

/// An id as it is. One with control characters cannot be stored, and another one would name something else: what the
/// upstream did is known to nobody then.
fn kept_id(what: &str, id: &str) -> Result<(), Failure> {
    match id.contains(char::is_control) {
        false => Ok(()),
        true => {
            let message = format!("the upstream's id of {what} has control characters: {id:?}");
            Err(Failure::new(FailureKind::Unknown, Reached::Maybe, message))
        }
    }
}

/// A result that can be stored.
fn kept(reply: Reply) -> Result<Reply, Failure> {
    let output = match reply.output {
        Output::Audio(audio) => {
            Output::Audio(Audio { srt: audio.srt.map(|srt| srt.replace('\0', "")), ..audio })
        }
        Output::Voice(voice) => {
            kept_id("the voice", &voice.voice)?;
            Output::Voice(voice)
        }
    };
    Ok(Reply { output, ..reply })
}

fn kept_sent(sent: Sent) -> Result<Sent, Failure> {
    match sent {
        Sent::Accepted(accepted) => {
            kept_id("the work", &accepted.upstream_id.0)?;
            Ok(Sent::Accepted(accepted))
        }
        Sent::Done(reply) => kept(reply).map(Sent::Done),
    }
}

#[async_trait]
impl Provider for Scrubbed {
    fn protocol(&self) -> &ProtocolId {
        self.0.protocol()
    }

    async fn send(&self, call: &Call) -> Result<Sent, Failure> {
        let sent = self.0.send(call).await.and_then(kept_sent);
        sent.map_err(|failure| clean(failure, &call.access.secret))
    }

    fn capabilities(&self, service: &ServiceId) -> Capabilities {
        self.0.capabilities(service)
    }

    fn poll_batch_max(&self) -> usize {
        self.0.poll_batch_max()
    }

    async fn poll(&self, calls: &[(Call, UpstreamId)], page: u32) -> Vec<Result<Progress, Failure>> {
        let answers = self.0.poll(calls, page).await.into_iter().zip(calls);
        answers
            .map(|(answer, (call, _))| match answer {
                Ok(Progress::Failed(failure)) => Ok(Progress::Failed(clean(failure, &call.access.secret))),
                // It has ended: a question would be answered alike again.
                Ok(Progress::Done(reply)) => Ok(kept(reply).map_or_else(Progress::Failed, Progress::Done)),
                Ok(progress) => Ok(progress),
                Err(failure) => Err(clean(failure, &call.access.secret)),
            })
            .collect()
    }

    async fn fetch(&self, call: &Call, laid: &Laid) -> Result<Reply, Failure> {
        let fetched = self.0.fetch(call, laid).await.and_then(kept);
        fetched.map_err(|failure| clean(failure, &call.access.secret))
    }

    async fn drop_work(&self, access: &Access, upstream_id: &UpstreamId) -> Result<Dropped, Failure> {
        self.0.drop_work(access, upstream_id).await.map_err(|failure| clean(failure, &access.secret))
    }

    async fn balance(&self, access: &Access) -> Result<Option<UpstreamCredits>, Failure> {
        self.0.balance(access).await.map_err(|failure| clean(failure, &access.secret))
    }

    async fn health(&self, access: &Access) -> Result<Vec<(ServiceId, Health)>, Failure> {
        self.0.health(access).await.map_err(|failure| clean(failure, &access.secret))
    }

    async fn voices(&self, access: &Access, page: Option<&str>) -> Result<VoicePage, Failure> {
        self.0.voices(access, page).await.map_err(|failure| clean(failure, &access.secret))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        id::{AttemptId, Route, ServerId},
        provider::Sink,
        work::{Speech, Subtitles, VoiceSettings, Work},
    };

    /// Repeats the secret in whatever it says.
    #[derive(Debug)]
    struct Chatty(ProtocolId);

    fn tells(access: &Access) -> Failure {
        let parted: Vec<String> = access.secret.expose().chars().map(String::from).collect();
        let words = format!("bad key {} {}", access.secret.expose(), parted.join("\0"));
        Failure::new(FailureKind::Busy, Reached::Maybe, words).with_code(access.secret.expose())
    }

    #[async_trait]
    impl Provider for Chatty {
        fn protocol(&self) -> &ProtocolId {
            &self.0
        }

        async fn send(&self, call: &Call) -> Result<Sent, Failure> {
            Err(tells(&call.access))
        }

        async fn poll(&self, calls: &[(Call, UpstreamId)], _: u32) -> Vec<Result<Progress, Failure>> {
            let answer = |(place, (call, _)): (usize, &(Call, UpstreamId))| {
                if place == 0 { Err(tells(&call.access)) } else { Ok(Progress::Failed(tells(&call.access))) }
            };
            calls.iter().enumerate().map(answer).collect()
        }

        async fn fetch(&self, call: &Call, _: &Laid) -> Result<Reply, Failure> {
            Err(tells(&call.access))
        }

        async fn drop_work(&self, access: &Access, _: &UpstreamId) -> Result<Dropped, Failure> {
            Err(tells(access))
        }

        async fn balance(&self, access: &Access) -> Result<Option<UpstreamCredits>, Failure> {
            Err(tells(access))
        }

        async fn health(&self, access: &Access) -> Result<Vec<(ServiceId, Health)>, Failure> {
            Err(tells(access))
        }

        async fn voices(&self, access: &Access, _: Option<&str>) -> Result<VoicePage, Failure> {
            Err(tells(access))
        }
    }

    #[tokio::test]
    async fn whatever_a_provider_says_is_heard_without_the_secret() {
        let provider = Scrubbed::new(Arc::new(Chatty(ProtocolId::new("own").unwrap())));
        let access = Access {
            route: Route::new(ServerId::new("own").unwrap(), ServiceId::new("elevenlabs").unwrap()),
            base_url: "https://own.example".into(),
            secret: Arc::new(Secret::parse("sk-canary-0123456789").unwrap()),
        };
        let speech = Speech {
            text: "a".into(),
            voice: "v".into(),
            model: None,
            format: crate::work::AudioFormat::Mp3,
            subtitles: Subtitles::No,
            settings: VoiceSettings::default(),
            language: None,
        };
        let call = Call {
            attempt: AttemptId::from_uuid(uuid::Uuid::from_u128(1)),
            access: access.clone(),
            work: Arc::new(Work::Speech(speech)),
            sink: Sink::Memory { max_bytes: 1 },
            pieces: None,
        };
        let id = UpstreamId("t".into());
        let laid = Laid { url: "https://own.example/a".into(), text_url: None, cost: None };
        let mut heard = vec![
            provider.send(&call).await.unwrap_err(),
            provider.fetch(&call, &laid).await.unwrap_err(),
            provider.drop_work(&access, &id).await.unwrap_err(),
            provider.balance(&access).await.unwrap_err(),
            provider.health(&access).await.unwrap_err(),
            provider.voices(&access, None).await.unwrap_err(),
        ];
        for answer in provider.poll(&[(call.clone(), id.clone()), (call, id)], 0).await {
            match answer {
                Err(failure) | Ok(Progress::Failed(failure)) => heard.push(failure),
                Ok(progress) => panic!("not {progress:?}"),
            }
        }
        assert_eq!(heard.len(), 8);
        for failure in heard {
            assert_eq!(
                (failure.message.as_str(), failure.code.as_deref()),
                ("bad key [secret] [secret]", Some("[secret]"))
            );
        }
    }
}
