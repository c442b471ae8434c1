//! Prices of many measures against figures worked out elsewhere: answers that providers reported, with what they cost
//! by the prices that were published for them, and bugs of other gateways with the right figure. Amounts are US
//! dollars; sums are exact.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

use std::num::NonZeroU32;

use kingcong_core::{
    clock::Timestamp,
    id::{Route, ServerId, ServiceId},
    lane::Lane,
    measure::{
        Circumstance, Circumstances, Counts,
        Measure::{self, *},
        Measured, Quantities, Quantity, Source, TokenSide,
    },
    money::{Decimal, Fraction, Unit},
    operation::Operation,
    pricing::{
        Charge, Checked, ConditionError, Conditions, Overrun, Price, PriceError, PriceLine, PromptTokens,
        RoutePrice, Span, Weekday, hold_amount,
    },
    switch::Switch,
};

const MILLION: u32 = 1_000_000;

/// `price` dollars per `per` of a measure.
fn line(measure: Measure, price: &str, per: u32) -> PriceLine {
    PriceLine::from_decimal(measure, price.parse().unwrap(), NonZeroU32::new(per).unwrap(), Unit::USD)
        .unwrap()
}

/// Dollars per million tokens, as they are published: `4/0.4/5/20` is text in, cache read, cache written, text out.
fn tokens(measures: &[Measure], prices: &str) -> Vec<PriceLine> {
    let prices: Vec<&str> = prices.split('/').collect();
    assert_eq!(measures.len(), prices.len(), "{prices:?}");
    measures.iter().zip(prices).map(|(measure, price)| line(*measure, price, MILLION)).collect()
}

/// The same lines, under a condition.
fn when(lines: Vec<PriceLine>, conditions: &Conditions) -> Vec<PriceLine> {
    lines.into_iter().map(|line| line.when(conditions.clone())).collect()
}

fn prompt(prompt: PromptTokens) -> Conditions {
    Conditions { prompt: Some(prompt), ..Conditions::NONE }
}

fn is(circumstance: Circumstance, word: &str) -> Conditions {
    Conditions { served: served(circumstance, word), ..Conditions::NONE }
}

fn served(circumstance: Circumstance, word: &str) -> Circumstances {
    Circumstances::NONE.with(circumstance, word).unwrap()
}

fn price(lines: Vec<PriceLine>) -> Result<Price, PriceError> {
    Ok(Price {
        route: Route::new(ServerId::new("openai").unwrap(), ServiceId::new("text").unwrap()),
        model: None,
        operation: Operation::Speech,
        lane: Lane::Shared,
        unit: Unit::USD,
        name: "a card".into(),
        charge: Charge::lines(lines)?,
        overrun: Overrun::Operator,
        switch: Switch::On,
        version: 1,
        since: Timestamp::EPOCH,
    })
}

/// What an answer may have: any token of either side, and what else is counted.
fn most(counts: &Counts) -> Quantities {
    let side = |side| Measure::ALL.iter().copied().filter(move |measure| measure.token_side() == Some(side));
    let all = Quantities::one_request()
        .with_together(side(TokenSide::Prompt), counts.tokens(TokenSide::Prompt))
        .with_together(side(TokenSide::Answer), counts.tokens(TokenSide::Answer));
    let others = Measure::ALL.iter().copied().filter(|measure| {
        measure.token_side().is_none() && ![Measure::Request, Measure::Token].contains(measure)
    });
    others.fold(all, |all, measure| match counts.get(measure) {
        None => all.with(measure, Quantity::AtMost(0)),
        Some(count) => all.with(measure, Quantity::AtMost(count)),
    })
}

fn counted(counts: &[(Measure, u64)]) -> Counts {
    Counts::of(counts.iter().map(|(measure, count)| (*measure, Some(*count))))
}

/// An exact amount of dollars, in smallest steps.
fn dollars(text: &str) -> Fraction {
    let exact: Decimal = text.parse().unwrap();
    let steps = exact.mantissa() * 10_i128.pow(Unit::USD.scale().into());
    Fraction::new(steps, 10_i128.pow(exact.scale())).unwrap()
}

struct Case {
    name: &'static str,
    lines: Vec<PriceLine>,
    counts: &'static [(Measure, u64)],
    served: Circumstances,
    exact: &'static str,
}

fn case(
    name: &'static str,
    lines: Vec<PriceLine>,
    counts: &'static [(Measure, u64)],
    exact: &'static str,
) -> Case {
    Case { name, lines, counts, served: Circumstances::NONE, exact }
}

const TEXT: &[Measure] = &[InputToken, OutputToken];
const CACHED: &[Measure] = &[InputToken, CacheReadToken, OutputToken];
const WRITTEN: &[Measure] = &[InputToken, CacheReadToken, CacheWriteToken, OutputToken];
const TWO_LIVES: &[Measure] =
    &[InputToken, CacheWriteToken, CacheWriteLongToken, CacheReadToken, OutputToken];

/// OpenAI's gpt-5.6, whose prices double for prompts above 272,000 tokens.
fn gpt_5_6() -> Vec<PriceLine> {
    let long = when(tokens(WRITTEN, "8/0.8/10/30"), &prompt(PromptTokens::Above(272_000)));
    [tokens(WRITTEN, "4/0.4/5/20"), long].concat()
}

/// Gemini 2.5 flash, by modality; reasoning costs what the answer costs.
fn gemini_flash() -> Vec<PriceLine> {
    let measures = [InputToken, InputAudioToken, CacheReadToken, CacheReadAudioToken, OutputToken];
    tokens(&measures, "0.3/1/0.03/0.1/2.5")
}

/// xAI's prices, which double at a prompt of 200,000 tokens already.
fn xai() -> Vec<PriceLine> {
    let long = when(tokens(TEXT, "2.5/5"), &prompt(PromptTokens::From(200_000)));
    [tokens(TEXT, "1.25/2.5"), long].concat()
}

fn haiku() -> Vec<PriceLine> {
    [tokens(TEXT, "0.1/0.5"), when(tokens(TEXT, "0.5/2.5"), &prompt(PromptTokens::Above(100_000)))].concat()
}

fn opus() -> Vec<PriceLine> {
    let us = when(tokens(TWO_LIVES, "4.4/5.5/8.8/0.22/22"), &is(Circumstance::Region, "us"));
    [tokens(TWO_LIVES, "4/5/8/0.2/20"), us].concat()
}

fn tiers() -> Vec<PriceLine> {
    [tokens(TEXT, "4/20"), when(tokens(TEXT, "8/40"), &is(Circumstance::Tier, "priority"))].concat()
}

fn answers() -> Vec<Case> {
    let cost = || vec![line(UpstreamCost, "1", 1_000_000_000)];
    let groq = || tokens(CACHED, "0.15/0.075/0.6");
    let deepseek = || tokens(CACHED, "0.28/0.028/0.42");
    let opus_counts = &[
        (InputToken, 6),
        (CacheWriteToken, 4000),
        (CacheWriteLongToken, 6000),
        (CacheReadToken, 50_000),
        (OutputToken, 2745),
    ];
    let mut minimax_images = line(InputImage, "0.04", 1);
    minimax_images.free = 5;
    vec![
        case(
            "OpenAI with cache and reasoning",
            gpt_5_6(),
            &[
                (InputToken, 200),
                (CacheReadToken, 2000),
                (CacheWriteToken, 400),
                (OutputToken, 180),
                (ReasoningToken, 120),
            ],
            "0.0096",
        ),
        case(
            "a long prompt, every token of it dearer",
            gpt_5_6(),
            &[(InputToken, 270_000), (CacheReadToken, 5000), (CacheWriteToken, 3000), (OutputToken, 1000)],
            "2.224",
        ),
        case("a prompt at the bound", gpt_5_6(), &[(InputToken, 272_000), (OutputToken, 1000)], "1.108"),
        case(
            "a prompt above it by one",
            gpt_5_6(),
            &[(InputToken, 272_001), (OutputToken, 1000)],
            "2.206008",
        ),
        case("priority asked, default served", tiers(), &[(InputToken, 1000), (OutputToken, 500)], "0.014"),
        Case {
            served: served(Circumstance::Tier, "priority"),
            ..case("priority served", tiers(), &[(InputToken, 1000), (OutputToken, 500)], "0.028")
        },
        case(
            "a chat with audio",
            tokens(&[InputToken, InputAudioToken, OutputToken, OutputAudioToken], "4/32/16/64"),
            &[(InputToken, 50), (InputAudioToken, 100), (OutputToken, 60), (OutputAudioToken, 140)],
            "0.01332",
        ),
        case(
            "searches beside tokens",
            [tokens(CACHED, "4/0.4/20"), vec![line(Search, "10", 1000)]].concat(),
            &[(InputToken, 24), (CacheReadToken, 1792), (OutputToken, 64), (Search, 2)],
            "0.0220928",
        ),
        case("Anthropic with both lives of its cache", opus(), opus_counts, "0.132924"),
        Case {
            served: served(Circumstance::Region, "us"),
            ..case("served in the US", opus(), opus_counts, "0.1462164")
        },
        case(
            "Anthropic with compaction",
            tokens(TEXT, "3/15"),
            &[(InputToken, 210_000), (OutputToken, 3300)],
            "0.6795",
        ),
        case("haiku at its bound", haiku(), &[(InputToken, 100_000), (OutputToken, 1000)], "0.0105"),
        case("haiku above its bound", haiku(), &[(InputToken, 100_001), (OutputToken, 1000)], "0.0525005"),
        case(
            "Gemini by modality",
            gemini_flash(),
            &[
                (InputToken, 200),
                (InputAudioToken, 300),
                (CacheReadToken, 200),
                (CacheReadAudioToken, 300),
                (OutputToken, 100),
                (ReasoningToken, 50),
            ],
            "0.000771",
        ),
        case(
            "Gemini that thinks",
            tokens(TEXT, "1.25/10"),
            &[(InputToken, 55_021), (OutputToken, 923), (ReasoningToken, 785)],
            "0.08585625",
        ),
        case(
            "OpenRouter's own cost",
            cost(),
            &[(InputToken, 28), (OutputToken, 38), (UpstreamCost, 71_000)],
            "0.000071",
        ),
        case("OpenRouter with an own key", cost(), &[(UpstreamCost, 4450)], "0.00000445"),
        case(
            "Groq with cache",
            groq(),
            &[(InputToken, 176), (CacheReadToken, 1024), (OutputToken, 200), (ReasoningToken, 100)],
            "0.0002832",
        ),
        case("Groq without details", groq(), &[(InputToken, 26), (OutputToken, 12)], "0.0000111"),
        case(
            "DeepSeek",
            deepseek(),
            &[(InputToken, 80), (CacheReadToken, 20), (OutputToken, 10)],
            "0.00002716",
        ),
        case(
            "DeepSeek, cached tokens told twice",
            deepseek(),
            &[(InputToken, 76), (CacheReadToken, 1024), (OutputToken, 50)],
            "0.000070952",
        ),
        case(
            "xAI's reasoning",
            xai(),
            &[(InputToken, 12), (OutputToken, 1), (ReasoningToken, 386)],
            "0.0009825",
        ),
        case("xAI at its bound", xai(), &[(InputToken, 200_000), (OutputToken, 100)], "0.5005"),
        case("xAI below its bound", xai(), &[(InputToken, 199_999), (OutputToken, 100)], "0.25024875"),
        case("Mistral", tokens(TEXT, "0.5/1.5"), &[(InputToken, 15), (OutputToken, 20)], "0.0000375"),
        case(
            "Mistral with cache",
            tokens(CACHED, "0.5/0.05/1.5"),
            &[(InputToken, 1000), (CacheReadToken, 9000), (OutputToken, 200)],
            "0.00125",
        ),
        case("Together", tokens(TEXT, "3/15"), &[(InputToken, 11), (OutputToken, 7)], "0.000138"),
        case(
            "Together with cache",
            tokens(CACHED, "3/0.3/15"),
            &[(InputToken, 803), (CacheReadToken, 17_408), (OutputToken, 512)],
            "0.0153114",
        ),
        case(
            "an image of gpt-image-1",
            tokens(&[InputToken, OutputImageToken], "5/40")
                .into_iter()
                .chain([line(OutputToken, "0", 1)])
                .collect(),
            &[(InputToken, 150), (OutputImageToken, 8000)],
            "0.32075",
        ),
        case(
            "an edit by gpt-image-2",
            [
                tokens(&[InputToken, InputImageToken, OutputImageToken], "5/8/30"),
                vec![line(OutputToken, "0", 1)],
            ]
            .concat(),
            &[(InputToken, 22), (InputImageToken, 1024), (OutputImageToken, 1372)],
            "0.049462",
        ),
        case(
            "whisper-1 by the minute",
            vec![line(InputAudioMs, "0.006", 60_000)],
            &[(InputAudioMs, 11_400)],
            "0.00114",
        ),
        case(
            "gpt-4o-transcribe",
            tokens(TEXT, "2.5/10"),
            &[(InputAudioToken, 14), (OutputToken, 45)],
            "0.000485",
        ),
        case("a small embedding", with_free_output("0.02"), &[(InputToken, 8)], "0.00000016"),
        case("a large embedding", with_free_output("0.02"), &[(InputToken, 120_000)], "0.0024"),
        case(
            "speech by tokens",
            tokens(&[InputToken, OutputAudioToken, OutputToken], "0.6/12/12"),
            &[(InputToken, 14), (OutputAudioToken, 101)],
            "0.0012204",
        ),
        case("speech by characters", vec![line(Character, "15", MILLION)], &[(Character, 4096)], "0.06144"),
        case("HeyGen's photo", vec![line(VideoMs, "0.05", 1000)], &[(VideoMs, 12_400)], "0.62"),
        case("HeyGen's twin in 4K", vec![line(VideoMs, "0.0833", 1000)], &[(VideoMs, 12_400)], "1.03292"),
        case("Replicate by time", vec![line(RunMs, "0.0014", 1000)], &[(RunMs, 3200)], "0.00448"),
        case("Replicate by images", vec![line(Image, "0.04", 1)], &[(Image, 4)], "0.16"),
        Case {
            served: served(Circumstance::Resolution, "1080p"),
            ..case("Veo in 1080p", veo(), &[(VideoMs, 8000)], "3.2")
        },
        Case {
            served: served(Circumstance::Resolution, "4k"),
            ..case("Veo in 4K", veo(), &[(VideoMs, 8000)], "4.8")
        },
        case(
            "MiniMax's video, five images free",
            vec![line(VideoMs, "0.13", 1000), minimax_images],
            &[(VideoMs, 6000), (InputImage, 7)],
            "0.86",
        ),
    ]
}

fn with_free_output(input: &str) -> Vec<PriceLine> {
    vec![line(InputToken, input, MILLION), line(OutputToken, "0", 1)]
}

fn veo() -> Vec<PriceLine> {
    vec![line(VideoMs, "0.4", 1000), line(VideoMs, "0.6", 1000).when(is(Circumstance::Resolution, "4k"))]
}

/// What other gateways billed wrong; their issues are named.
fn bugs() -> Vec<Case> {
    let cached = [InputToken, CacheReadToken, CacheWriteToken, OutputToken];
    vec![
        case(
            "litellm#9812: a cache's writing charged as input too",
            tokens(&[InputToken, CacheWriteToken, OutputToken], "3/3.75/15"),
            &[(InputToken, 3), (CacheWriteToken, 12_304), (OutputToken, 550)],
            "0.054399",
        ),
        case(
            "litellm#11789: cached tokens of a stream charged as input",
            tokens(CACHED, "0.8/0.08/4"),
            &[(InputToken, 4), (CacheReadToken, 2455), (OutputToken, 23)],
            "0.0002916",
        ),
        case(
            "litellm#31142: an image's tokens at the text's price",
            [tokens(&[InputToken, OutputImageToken], "5/30"), vec![line(OutputToken, "0", 1)]].concat(),
            &[(InputToken, 22), (OutputImageToken, 1372)],
            "0.04127",
        ),
        case(
            "litellm#17410: reasoning and images, all as text",
            tokens(&[InputToken, OutputToken, OutputImageToken], "2/12/120"),
            &[(InputToken, 10), (ReasoningToken, 225), (OutputImageToken, 1120)],
            "0.13712",
        ),
        Case {
            served: served(Circumstance::Tier, "priority"),
            ..case(
                "litellm#37046: priority at the default's price",
                [tokens(TEXT, "0.15/0.6"), when(tokens(TEXT, "0.25/1"), &is(Circumstance::Tier, "priority"))]
                    .concat(),
                &[(InputToken, 9), (OutputToken, 2)],
                "0.00000425",
            )
        },
        case(
            "litellm#36377: one query charged twice",
            vec![line(Search, "14", 1000)],
            &[(Search, 2)],
            "0.028",
        ),
        case(
            "litellm#36914: a zero for what comes out hides what goes in",
            vec![
                line(InputAudioMs, "0.0043002", 60_000),
                line(OutputToken, "0", 1),
                line(InputToken, "0", 1),
            ],
            &[(InputAudioMs, 60_000)],
            "0.0043002",
        ),
        case(
            "new-api#5003: counts beside each other taken off each other",
            tokens(CACHED, "1/0.1/5"),
            &[(InputToken, 56_322), (CacheReadToken, 72_960), (OutputToken, 87)],
            "0.064053",
        ),
        case(
            "new-api#5756: a cache's writing without its life charged nothing",
            tokens(&cached, "1.75/0.175/2.1875/8.75"),
            &[(InputToken, 24_951), (CacheReadToken, 64_126), (CacheWriteToken, 2805), (OutputToken, 854)],
            "0.0684947375",
        ),
        case(
            "bifrost#904: cached tokens at the price of input",
            tokens(CACHED, "1.25/0.125/10"),
            &[(InputToken, 51_232), (CacheReadToken, 1_188_096), (OutputToken, 12_909)],
            "0.341642",
        ),
        case(
            "bifrost#3451: a cache's writing counted twice",
            tokens(&[InputToken, CacheWriteToken, OutputToken], "5/6.25/25"),
            &[(InputToken, 6), (CacheWriteToken, 159_217), (OutputToken, 2745)],
            "1.06376125",
        ),
        case(
            "vercel/ai#17326: the cache's longer life at the shorter one's price",
            tokens(TWO_LIVES, "1/1.25/2/0.1/5"),
            &[(CacheWriteLongToken, 11_350)],
            "0.0227",
        ),
    ]
}

fn quote(lines: Vec<PriceLine>, quantities: &Quantities) -> Result<RoutePrice, PriceError> {
    price(lines)?.quote(quantities)
}

#[test]
fn answers_cost_what_their_providers_published_to_the_last_digit() {
    for Case { name, lines, counts, served, exact } in answers().into_iter().chain(bugs()) {
        let counts = counted(counts);
        let quoted = quote(lines, &most(&counts)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let measured = Measured { counts, served, source: Source::Reported };
        let actual = quoted.actual(&measured, Timestamp::EPOCH);
        assert_eq!(actual.exact, dollars(exact), "{name}");
        assert_eq!(actual.check, Checked::Within, "{name}");
        // And its hold covers it.
        assert!(quoted.worst() >= actual.exact, "{name}");
    }
}

#[test]
fn the_hold_is_the_dearest_line_within_reach() {
    let hold = |lines: Vec<PriceLine>, quantities: &Quantities| {
        hold_amount(&[vec![quote(lines, quantities).unwrap()]]).unwrap()
    };
    let dollars = |text: &str| dollars(text).ceil().unwrap();
    let chat = |prompt, answer| {
        Quantities::one_request()
            .with_together([InputToken, CacheReadToken, CacheWriteToken, CacheWriteLongToken], prompt)
            .with_together([OutputToken, ReasoningToken], answer)
    };
    // 1,000 tokens may all be written to the cache.
    assert_eq!(hold(gpt_5_6(), &chat(1000, 100)), dollars("0.007"));
    // A prompt that cannot pass the bound is not held as if it did.
    assert_eq!(hold(gpt_5_6(), &chat(272_000, 0)), dollars("1.36"));
    assert_eq!(hold(gpt_5_6(), &chat(272_001, 0)), dollars("2.72001"));
    // Any tier may serve it, but not another size than was asked for.
    assert_eq!(hold(tiers(), &chat(1000, 0)), dollars("0.008"));
    let video = Quantities::one_request().with(VideoMs, Quantity::AtMost(8000));
    assert_eq!(hold(veo(), &video), dollars("4.8"));
    let small = video.as_asked(served(Circumstance::Resolution, "720p"));
    assert_eq!(hold(veo(), &small), dollars("3.2"));
}

#[test]
fn what_is_told_of_usage_is_checked_and_never_below_zero() {
    let lines = || tokens(WRITTEN, "4/0.4/5/20");
    let bounded = |overrun| {
        let price = Price { overrun, ..price(lines()).unwrap() };
        let quantities = Quantities::one_request()
            .with_together([InputToken, CacheReadToken, CacheWriteToken], 1000)
            .with_together([OutputToken, ReasoningToken], 100);
        price.quote(&quantities).unwrap()
    };
    let reported = |counts: &[(Measure, u64)]| Measured::from(counted(counts));
    let estimated = |counts: &[(Measure, u64)]| Measured { source: Source::Estimated, ..reported(counts) };
    let contradictory =
        |counts: &[(Measure, u64)]| Measured { source: Source::Contradictory, ..reported(counts) };
    let at_bound = dollars("0.007");
    for (measured, operator, payer) in [
        (reported(&[(InputToken, 1000), (OutputToken, 100)]), (dollars("0.006"), Checked::Within), None),
        (reported(&[(InputToken, 0), (OutputToken, 0)]), (Fraction::ZERO, Checked::Within), None),
        (reported(&[]), (at_bound, Checked::Missing), None),
        // The answer is missing alone: 100 tokens of it.
        (reported(&[(InputToken, 10)]), (dollars("0.00204"), Checked::Missing), None),
        (estimated(&[(InputToken, 10), (OutputToken, 5)]), (dollars("0.00014"), Checked::Estimated), None),
        (
            contradictory(&[(InputToken, 10), (OutputToken, 5)]),
            (dollars("0.00014"), Checked::Contradictory),
            None,
        ),
        (reported(&[(InputToken, 1000), (OutputToken, 101)]), (dollars("0.00602"), Checked::OverBound), None),
        // Audio that nobody foresaw costs what text costs.
        (
            reported(&[(InputAudioToken, 100), (OutputToken, 0)]),
            (dollars("0.0004"), Checked::Unforeseen),
            None,
        ),
        (
            reported(&[(InputToken, 0), (OutputToken, 1001)]),
            (dollars("0.02002"), Checked::OverBound),
            Some((dollars("0.002"), Checked::Absurd)),
        ),
        (
            reported(&[(InputToken, 0), (OutputToken, 1_000_000_000_000_000)]),
            (dollars("9223372036.854775807"), Checked::OverBound),
            Some((dollars("0.002"), Checked::Absurd)),
        ),
    ] {
        for (overrun, expected) in
            [(Overrun::Operator, operator), (Overrun::Payer, payer.unwrap_or(operator))]
        {
            let actual = bounded(overrun).actual(&measured, Timestamp::EPOCH);
            assert_eq!((actual.exact, actual.check), expected, "{measured:?}, overrun is the {overrun:?}'s");
        }
    }
}

#[test]
fn off_peak_is_the_hour_at_which_the_call_was_made() {
    let off_peak =
        Conditions { during: vec![Span::new(Weekday::ALL, 16 * 60 + 30, 30).unwrap()], ..Conditions::NONE };
    let lines = [tokens(TEXT, "2/4"), when(tokens(TEXT, "1/2"), &off_peak)].concat();
    let counts = counted(&[(InputToken, MILLION.into()), (OutputToken, 0)]);
    let quoted = quote(lines, &most(&counts)).unwrap();
    assert_eq!(quoted.worst(), dollars("2"));
    let at = |minute: i64| Timestamp::from_micros(minute * 60_000_000);
    for (minute, exact) in
        [(16 * 60 + 29, "2"), (16 * 60 + 30, "1"), (24 * 60 + 29, "1"), (24 * 60 + 30, "2")]
    {
        assert_eq!(
            quoted.actual(&counts.clone().into(), at(minute)).exact,
            dollars(exact),
            "minute {minute}"
        );
    }
}

#[test]
fn tokens_that_could_be_given_away_are_refused() {
    let chat = Quantities::one_request()
        .with_together([InputToken, CacheReadToken], 1000)
        .with_together([OutputToken, ReasoningToken], 100);
    let unpriced = |lines| match quote(lines, &chat) {
        Err(PriceError::Unpriced { measure, .. }) => measure,
        other => panic!("it has tokens without a price: {other:?}"),
    };
    assert_eq!(unpriced(tokens(&[InputToken], "4")), OutputToken);
    // Only one of the tiers that may serve it has a price.
    assert_eq!(unpriced(when(tokens(TEXT, "4/20"), &is(Circumstance::Tier, "priority"))), InputToken);
    // Any token alike, and a price of the request alone, are complete.
    for lines in [tokens(&[Token], "4"), vec![line(Request, "0.01", 1)], with_free_output("4")] {
        assert!(quote(lines, &chat).is_ok());
    }
}

#[test]
fn lines_of_which_neither_is_meant_are_refused() {
    let flex = || is(Circumstance::Tier, "flex");
    let long = || prompt(PromptTokens::Above(200_000));
    let both = Conditions { prompt: long().prompt, ..flex() };
    let input = |conditions: &Conditions| line(InputToken, "1", MILLION).when(conditions.clone());
    let during = |from, until| Conditions {
        during: vec![Span::new([Weekday::Monday], from, until).unwrap()],
        ..Conditions::NONE
    };
    let tuesday = |from, until| Conditions {
        during: vec![Span::new([Weekday::Tuesday], from, until).unwrap()],
        ..Conditions::NONE
    };
    let tie = PriceError::Tie { measure: InputToken };
    for (conditions, refused) in [
        (vec![flex(), flex()], Some(PriceError::DuplicateMeasure { measure: InputToken })),
        (vec![flex(), is(Circumstance::Tier, "batch")], None),
        (vec![flex(), is(Circumstance::Region, "us")], Some(tie.clone())),
        (vec![flex(), long()], Some(tie.clone())),
        (vec![flex(), long(), both], None),
        (vec![long(), prompt(PromptTokens::From(500_000)), prompt(PromptTokens::Above(0))], None),
        (vec![long(), prompt(PromptTokens::From(200_001))], Some(tie.clone())),
        (vec![during(0, 60), during(60, 120)], None),
        (vec![during(0, 60), during(59, 120)], Some(tie.clone())),
        // Monday's last hours go on into Tuesday.
        (vec![during(1200, 60), tuesday(60, 120)], None),
        (vec![during(1200, 61), tuesday(60, 120)], Some(tie)),
    ] {
        let lines = conditions.iter().map(input);
        let got = Charge::lines([line(InputToken, "1", MILLION)].into_iter().chain(lines)).err();
        assert_eq!(got, refused, "{conditions:?}");
    }
    let spans = Conditions { during: vec![Span::new(Weekday::ALL, 0, 60).unwrap(); 33], ..Conditions::NONE };
    let spans = Charge::lines([line(InputToken, "1", 1).when(spans)]);
    assert_eq!(spans, Err(PriceError::Condition(ConditionError::TooManySpans { given: 33 })));
    let mixed = [line(Token, "1", 1), line(OutputToken, "1", 1)];
    assert_eq!(Charge::lines(mixed), Err(PriceError::TokenTwice));
    let least = PriceLine { at_least: 5, ..line(OutputToken, "1", 1) };
    assert_eq!(Charge::lines([least]), Err(PriceError::LeastOfTokens { measure: OutputToken }));
    let many =
        (0..201).map(|number| line(InputToken, "1", 1).when(is(Circumstance::Size, &number.to_string())));
    assert_eq!(Charge::lines(many), Err(PriceError::TooManyLines { given: 201, max: 200 }));
}

#[test]
fn a_least_charge_is_for_what_there_was_of_it() {
    let lines = vec![PriceLine { at_least: 10_000, ..line(InputAudioMs, "0.006", 60_000) }];
    for (heard, exact) in [(0, "0"), (1, "0.001"), (10_000, "0.001"), (60_000, "0.006")] {
        let counts = counted(&[(InputAudioMs, heard)]);
        let quantities = Quantities::one_request().with(InputAudioMs, Quantity::AtMost(60_000));
        let quoted = quote(lines.clone(), &quantities).unwrap();
        assert_eq!(quoted.actual(&counts.into(), Timestamp::EPOCH).exact, dollars(exact), "{heard} ms");
    }
}
