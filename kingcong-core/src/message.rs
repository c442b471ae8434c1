//! What a user may be told, in English and Vietnamese.
//!
//! Errors are for operators and name keys, servers and causes. A [`Message`] is what of them concerns the person
//! who asked: plain data, so that a host may also word it itself, and [`Message::text`], so that it need not.

use serde::{Deserialize, Serialize};

use crate::money::Money;

/// A language that messages are written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Language {
    /// English, `en`.
    #[default]
    #[serde(rename = "en")]
    English,
    /// Vietnamese, `vi`.
    #[serde(rename = "vi")]
    Vietnamese,
}

/// Something that a user may be told.
///
/// ```
/// use kingcong_core::message::{Language, Message};
///
/// let message = Message::ServiceMaintenance { service: "ElevenLabs".into() };
/// assert_eq!(message.text(Language::Vietnamese), "ElevenLabs đang bảo trì");
/// assert_eq!(message.text(Language::English), "ElevenLabs is under maintenance");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Message {
    /// The service is under maintenance.
    ServiceMaintenance {
        /// The service's name for users.
        service: String,
    },
    /// The whole system is under maintenance.
    FullMaintenance,
    /// No server is switched on for the service.
    NoRoute {
        /// The service's name for users.
        service: String,
    },
    /// There is no such service.
    UnknownService {
        /// What was asked for.
        service: String,
    },
    /// There is no price for what was asked.
    NoPrice {
        /// The service's name for users.
        service: String,
    },
    /// The wallet has less than the request may cost.
    InsufficientCredits {
        /// What would be set aside.
        needed: Money,
        /// What the wallet has free.
        available: Money,
    },
    /// The wallet owes something, which must be paid before anything new starts.
    InDebt {
        /// What it owes.
        owed: Money,
    },
    /// A spending limit is reached.
    BudgetReached,
    /// The user's organisation is suspended.
    TenantSuspended,
    /// The text has nothing to speak.
    TextEmpty,
    /// The text is longer than allowed.
    TextTooLong {
        /// How long it is.
        characters: u64,
        /// How long it may be.
        characters_max: u64,
    },
    /// The voice does not exist or may not be used.
    VoiceUnavailable {
        /// What was asked for.
        voice: String,
    },
    /// The request was refused as wrong.
    BadRequest,
    /// The content was refused.
    ContentRefused,
    /// The result is larger than allowed.
    ResultTooLarge,
    /// The work failed upstream; nothing was charged for it.
    UpstreamFailed,
    /// The work was cancelled.
    Cancelled,
    /// The work was not finished by its deadline.
    DeadlinePassed,
    /// A change of the settings was not accepted; for administrators, to whom the error says why.
    ConfigurationRefused,
    /// An upstream key was not accepted; for administrators, to whom the error says why.
    KeyRefused,
    /// The user may not do this.
    NotAllowed,
    /// The user must sign in again.
    SignInAgain,
    /// Something failed inside; the user may try again.
    TryAgain,
}

impl Message {
    /// The message in words.
    #[must_use]
    pub fn text(&self, language: Language) -> String {
        match language {
            Language::English => self.english(),
            Language::Vietnamese => self.vietnamese(),
        }
    }

    fn english(&self) -> String {
        match self {
            Self::ServiceMaintenance { service } => format!("{service} is under maintenance"),
            Self::FullMaintenance => "Server KingCong is under maintenance".into(),
            Self::NoRoute { service } => format!("{service} is not available at the moment"),
            Self::UnknownService { service } => format!("There is no service {service}"),
            Self::NoPrice { service } => format!("{service} has no price for this request"),
            Self::InsufficientCredits { .. } => "Not enough credits, please top up".into(),
            Self::InDebt { .. } => "Credits are owed, please top up".into(),
            Self::BudgetReached => "The spending limit is reached".into(),
            Self::TenantSuspended => "Your organisation's account is suspended".into(),
            Self::TextEmpty => "The text is empty".into(),
            Self::TextTooLong { characters, characters_max } => {
                format!("The text is too long: {characters} characters, at most {characters_max} are allowed")
            }
            Self::VoiceUnavailable { voice } => format!("The voice {voice} is not available"),
            Self::BadRequest => "The request is not valid".into(),
            Self::ContentRefused => "The content was refused".into(),
            Self::ResultTooLarge => "The result is too large".into(),
            Self::UpstreamFailed => "The work failed, no credits were charged for it".into(),
            Self::Cancelled => "The work was cancelled".into(),
            Self::DeadlinePassed => "The work was not finished in time".into(),
            Self::ConfigurationRefused => {
                "The settings were not accepted, see the error's message for the reason".into()
            }
            Self::KeyRefused => "The key was not accepted, see the error's message for the reason".into(),
            Self::NotAllowed => "You may not do this".into(),
            Self::SignInAgain => "Please sign in again".into(),
            Self::TryAgain => "Something went wrong, please try again".into(),
        }
    }

    fn vietnamese(&self) -> String {
        match self {
            Self::ServiceMaintenance { service } => format!("{service} đang bảo trì"),
            Self::FullMaintenance => "Server KingCong đang bảo trì".into(),
            Self::NoRoute { service } => format!("{service} hiện không khả dụng"),
            Self::UnknownService { service } => format!("Không có dịch vụ {service}"),
            Self::NoPrice { service } => format!("{service} chưa có giá cho yêu cầu này"),
            Self::InsufficientCredits { .. } => "Credits không đủ, vui lòng nạp thêm".into(),
            Self::InDebt { .. } => "Tài khoản đang nợ credits, vui lòng nạp thêm".into(),
            Self::BudgetReached => "Đã đạt giới hạn chi tiêu".into(),
            Self::TenantSuspended => "Tài khoản của tổ chức bạn đang bị tạm ngưng".into(),
            Self::TextEmpty => "Văn bản trống".into(),
            Self::TextTooLong { characters, characters_max } => {
                format!("Văn bản quá dài: {characters} ký tự, tối đa {characters_max} ký tự")
            }
            Self::VoiceUnavailable { voice } => format!("Giọng đọc {voice} không khả dụng"),
            Self::BadRequest => "Yêu cầu không hợp lệ".into(),
            Self::ContentRefused => "Nội dung bị từ chối".into(),
            Self::ResultTooLarge => "Kết quả quá lớn".into(),
            Self::UpstreamFailed => "Xử lý thất bại, credits không bị trừ".into(),
            Self::Cancelled => "Yêu cầu đã bị hủy".into(),
            Self::DeadlinePassed => "Yêu cầu không hoàn thành đúng hạn".into(),
            Self::ConfigurationRefused => {
                "Cài đặt không được chấp nhận, hãy xem lý do trong thông báo lỗi".into()
            }
            Self::KeyRefused => "Key không được chấp nhận, hãy xem lý do trong thông báo lỗi".into(),
            Self::NotAllowed => "Bạn không có quyền thực hiện thao tác này".into(),
            Self::SignInAgain => "Vui lòng đăng nhập lại".into(),
            Self::TryAgain => "Đã xảy ra lỗi, vui lòng thử lại".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::{Amount, Unit};

    fn credits(amount: i64) -> Money {
        Money::new(Amount::new(amount), Unit::CREDIT)
    }

    #[test]
    fn users_read_these_words() {
        let elevenlabs = || "ElevenLabs".to_owned();
        for (message, english, vietnamese) in [
            (
                Message::ServiceMaintenance { service: elevenlabs() },
                "ElevenLabs is under maintenance",
                "ElevenLabs đang bảo trì",
            ),
            (
                Message::ServiceMaintenance { service: "Minimax".into() },
                "Minimax is under maintenance",
                "Minimax đang bảo trì",
            ),
            (
                Message::FullMaintenance,
                "Server KingCong is under maintenance",
                "Server KingCong đang bảo trì",
            ),
            (
                Message::NoRoute { service: elevenlabs() },
                "ElevenLabs is not available at the moment",
                "ElevenLabs hiện không khả dụng",
            ),
            (
                Message::InsufficientCredits { needed: credits(120), available: credits(80) },
                "Not enough credits, please top up",
                "Credits không đủ, vui lòng nạp thêm",
            ),
            (
                Message::TextTooLong { characters: 12, characters_max: 10 },
                "The text is too long: 12 characters, at most 10 are allowed",
                "Văn bản quá dài: 12 ký tự, tối đa 10 ký tự",
            ),
        ] {
            assert_eq!(message.text(Language::English), english);
            assert_eq!(message.text(Language::Vietnamese), vietnamese);
        }
    }

    #[test]
    fn a_message_keeps_its_numbers_as_data() {
        let message = Message::InsufficientCredits { needed: credits(120), available: credits(80) };
        let json = serde_json::json!({
            "code": "insufficient_credits",
            "needed": { "amount": 120, "unit": "credit" },
            "available": { "amount": 80, "unit": "credit" },
        });
        assert_eq!(serde_json::to_value(&message).unwrap(), json);
        assert_eq!(serde_json::from_value::<Message>(json).unwrap(), message);
    }
}
