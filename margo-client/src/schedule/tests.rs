use jiff::SignedDuration;
use proptest::prelude::*;

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse()
        .unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// A schedule without chance, in Berlin unless the text says otherwise.
fn schedule(text: &str) -> Schedule {
    read(&format!(
        "jitter-percent = 0\ntime-zone = \"Europe/Berlin\"\n{text}"
    ))
    .expect("a schedule")
}

fn read(text: &str) -> Result<Schedule, String> {
    toml::from_str(text).map_err(|error| error.to_string())
}

#[test]
fn the_first_poll_is_at_once_and_the_others_follow_by_period() {
    let schedule = schedule("period = \"5m\"");
    let now = at("2026-03-04T12:00:00Z");
    assert_eq!(schedule.next_poll(now, None, 0), now);
    assert_eq!(
        schedule.next_poll(now, Some(now), 0),
        at("2026-03-04T12:05:00Z")
    );
    // overdue, after a suspend
    assert_eq!(
        schedule.next_poll(now, Some(at("2026-03-01T00:00:00Z")), 0),
        now
    );
    // the clock was set back by a year
    let future = at("2027-03-04T12:00:00Z");
    assert_eq!(
        schedule.next_poll(now, Some(future), 0),
        at("2026-03-04T12:05:00Z")
    );
}

#[test]
fn jitter_varies_the_period_in_both_directions() {
    let schedule = read("period = \"100s\"\njitter-percent = 20").expect("a schedule");
    let now = at("2026-03-04T12:00:00Z");
    for (random, seconds) in [(0, 80), (1 << 63, 100), (3 << 62, 110)] {
        let expected = later(now, Duration::from_secs(seconds));
        assert_eq!(schedule.next_poll(now, Some(now), random), expected);
    }
}

#[test]
fn polling_hours_and_downtimes_move_polls() {
    // 2026-03-04 is a Wednesday; Berlin is at +01:00 then
    for (text, now, expected) in [
        (
            "polling-hours = [\"22:00-06:00\"]",
            "2026-03-04T12:00+01",
            "2026-03-04T22:00+01",
        ),
        (
            "polling-hours = [\"22:00-06:00\"]",
            "2026-03-04T23:30+01",
            "2026-03-04T23:30+01",
        ),
        (
            "polling-hours = [\"22:00-06:00\"]",
            "2026-03-04T05:59+01",
            "2026-03-04T05:59+01",
        ),
        (
            "polling-hours = [\"22:00-06:00\"]",
            "2026-03-04T06:00+01",
            "2026-03-04T22:00+01",
        ),
        // belongs to the day on which it begins
        (
            "polling-hours = [{ days = [\"tue\"], hours = \"22:00-06:00\" }]",
            "2026-03-04T05:00+01",
            "2026-03-04T05:00+01",
        ),
        (
            "polling-hours = [{ days = [\"wed\"], hours = \"22:00-06:00\" }]",
            "2026-03-04T05:00+01",
            "2026-03-04T22:00+01",
        ),
        (
            "polling-hours = [{ days = [\"sat\", \"sun\"] }]",
            "2026-03-04T05:00+01",
            "2026-03-07T00:00+01",
        ),
        (
            "polling-hours = [{ days = [\"fri-mon\"] }]",
            "2026-03-04T05:00+01",
            "2026-03-06T00:00+01",
        ),
        (
            "polling-hours = [{ days = [\"mon..fri\"] }]",
            "2026-03-07T05:00+01",
            "2026-03-09T00:00+01",
        ),
        (
            "polling-hours = [{ days = [\"Wednesday\"], hours = \"00:00-24:00\" }]",
            "2026-03-04T23:59+01",
            "2026-03-04T23:59+01",
        ),
        (
            "downtime = [\"12:00-13:00\"]",
            "2026-03-04T12:00+01",
            "2026-03-04T13:00+01",
        ),
        (
            "downtime = [\"12:00-13:00\"]",
            "2026-03-04T13:00+01",
            "2026-03-04T13:00+01",
        ),
        // one follows the other
        (
            "downtime = [\"12:00-13:00\", \"13:00-14:00\"]",
            "2026-03-04T12:30+01",
            "2026-03-04T14:00+01",
        ),
        // the opening is in a downtime
        (
            "polling-hours = [\"22:00-06:00\"]\ndowntime = [\"21:00-23:00\"]",
            "2026-03-04T12:00+01",
            "2026-03-04T23:00+01",
        ),
        (
            "downtime = [{ from = \"2026-03-04T10:00\", to = \"2026-03-06\" }]",
            "2026-03-04T12:00+01",
            "2026-03-07T00:00+01",
        ),
        (
            "downtime = [{ from = \"2026-03-04\", to = \"2036-03-04 08:30\" }]",
            "2026-03-04T00:00+01",
            "2036-03-04T08:30+01",
        ),
        (
            "downtime = [{ from = \"2026-03-04T10:00\", to = \"2026-03-06\" }]",
            "2026-03-04T09:59+01",
            "2026-03-04T09:59+01",
        ),
    ] {
        assert_eq!(
            schedule(text).next_poll(at(now), None, 0),
            at(expected),
            "{text} at {now}"
        );
    }
}

#[test]
fn only_downtimes_are_quiet() {
    let schedule = schedule(
        "polling-hours = [\"22:00-06:00\"]\ndowntime = [\"01:00-02:00\", { from = \"2026-12-24\", to = \"2026-12-26\" }]",
    );
    for (now, until) in [
        ("2026-03-04T12:00+01", None),
        ("2026-03-04T00:59:59+01", None),
        ("2026-03-04T01:00+01", Some("2026-03-04T02:00+01")),
        ("2026-12-25T12:00+01", Some("2026-12-27T00:00+01")),
    ] {
        assert_eq!(schedule.quiet_until(at(now)), until.map(at), "{now}");
        assert_eq!(schedule.is_quiet(at(now)), until.is_some(), "{now}");
    }
}

/// Berlin skips 02:00 to 03:00 on 2026-03-29, and has 02:00 to 03:00 twice on 2026-10-25.
#[test]
fn daylight_saving_changes_neither_lose_nor_invent_time() {
    for (hours, now, until) in [
        // begins in the gap: at the jump
        ("02:30-04:00", "2026-03-29T01:59:59+01", None),
        (
            "02:30-04:00",
            "2026-03-29T03:00+02",
            Some("2026-03-29T04:00+02"),
        ),
        // ends in the gap: at the jump
        (
            "01:00-02:30",
            "2026-03-29T01:59:59+01",
            Some("2026-03-29T03:00+02"),
        ),
        ("01:00-02:30", "2026-03-29T03:00+02", None),
        // lies in the gap: does not happen
        ("02:10-02:50", "2026-03-29T03:00+02", None),
        ("02:10-02:50", "2026-03-29T01:59:59+01", None),
        // goes over the gap
        (
            "01:00-05:00",
            "2026-03-29T01:00+01",
            Some("2026-03-29T05:00+02"),
        ),
        // begins in the fold: the first time
        ("02:30-04:00", "2026-10-25T02:29+02", None),
        (
            "02:30-04:00",
            "2026-10-25T02:30+02",
            Some("2026-10-25T04:00+01"),
        ),
        // ends in the fold: the second time
        (
            "01:00-02:30",
            "2026-10-25T02:45+02",
            Some("2026-10-25T02:30+01"),
        ),
        ("01:00-02:30", "2026-10-25T02:30+01", None),
        // goes over the fold
        (
            "01:00-05:00",
            "2026-10-25T01:00+02",
            Some("2026-10-25T05:00+01"),
        ),
    ] {
        let schedule = schedule(&format!("downtime = [\"{hours}\"]"));
        assert_eq!(
            schedule.quiet_until(at(now)),
            until.map(at),
            "{hours} at {now}"
        );
    }
}

#[test]
fn a_day_that_a_zone_skips_has_no_windows() {
    // Apia went from the 29th to the 31st of December 2011.
    let schedule = read(
        "jitter-percent = 0\ntime-zone = \"Pacific/Apia\"\ndowntime = [{ from = \"2011-12-30T08:00\", to = \"2011-12-30T20:00\" }]",
    );
    let schedule = schedule.expect("a schedule");
    let mut hour = at("2011-12-29T00:00-10");
    while hour < at("2012-01-02T00:00+14") {
        assert!(!schedule.is_quiet(hour), "{hour}");
        hour += SignedDuration::from_hours(1);
    }
}

#[test]
fn a_fleet_does_not_wake_up_in_the_same_second() {
    let text = "period = \"10m\"\ntime-zone = \"Europe/Berlin\"\npolling-hours = [\"22:00-22:05\", \"23:00-24:00\"]";
    let schedule = read(text).expect("a schedule");
    let noon = at("2026-03-04T12:00+01");
    // a quarter of a period after the opening; three quarters would be after the end
    assert_eq!(
        schedule.next_poll(noon, None, 1 << 62),
        at("2026-03-04T22:02:30+01")
    );
    assert_eq!(
        schedule.next_poll(noon, None, 3 << 62),
        at("2026-03-04T22:00+01")
    );
}

#[test]
fn polling_hours_that_are_over_for_good_end_the_polling() {
    let schedule = schedule("polling-hours = [{ from = \"2026-01-01\", to = \"2026-01-31\" }]");
    assert_eq!(
        schedule.next_poll(at("2026-01-15T00:00Z"), None, 0),
        at("2026-01-15T00:00Z")
    );
    assert_eq!(
        schedule.next_poll(at("2026-02-15T00:00Z"), None, 0),
        Timestamp::MAX
    );
}

#[test]
fn errors_say_what_to_write() {
    for (text, expected) in [
        ("period = \"soon\"", "\"30s\""),
        ("period = \"-5s\"", "\"30s\""),
        ("period = \"1ms\"", "100ms to 30d"),
        ("period = \"800h\"", "100ms to 30d"),
        ("jitter-percent = 101", "0 to 100"),
        ("time-zone = \"Berlin\"", "\"Europe/Berlin\""),
        ("polling-hours = [\"22-6\"]", "\"22:00-06:00\""),
        ("polling-hours = [\"25:00-26:00\"]", "\"22:00-06:00\""),
        ("polling-hours = [\"24:00-06:00\"]", "\"22:00-06:00\""),
        ("polling-hours = [\"22:60-23:00\"]", "\"22:00-06:00\""),
        ("polling-hours = [\"+2:00-23:00\"]", "\"22:00-06:00\""),
        ("polling-hours = [\"22:00-22:00\"]", "00:00-24:00"),
        ("polling-hours = [{ days = [\"mo\"] }]", "mon, tue"),
        ("polling-hours = [{ days = [] }]", "mon-fri"),
        ("polling-hours = [{}]", "\"22:00-06:00\""),
        ("polling-hours = [3]", "\"22:00-06:00\""),
        ("polling-hours = [{ day = [\"mon\"] }]", "days"),
        ("downtime = [{ from = \"2026-12-24\" }]", "to = "),
        (
            "downtime = [{ from = \"2026-12-24\", to = \"2026-12-23\" }]",
            "later \"to\"",
        ),
        (
            "downtime = [{ from = \"24.12.2026\", to = \"2026-12-26\" }]",
            "2026-12-24T18:00",
        ),
        (
            "downtime = [{ from = \"2026-12-24T18:00Z\", to = \"2026-12-26\" }]",
            "2026-12-24T18:00",
        ),
        (
            "downtime = [{ from = \"2026-02-30\", to = \"2026-12-26\" }]",
            "2026-12-24T18:00",
        ),
        ("downtime = [\"00:00-24:00\"]", "shorten one"),
        (
            "polling-hours = [\"22:00-23:00\"]\ndowntime = [\"21:30-23:30\"]",
            "shorten one",
        ),
        ("poling-hours = []", "polling-hours"),
    ] {
        let error = read(text).expect_err(text);
        assert!(error.contains(expected), "{text}: {error}");
    }
}

fn hours() -> impl Strategy<Value = String> {
    (0u16..1440, 1u16..1440).prop_map(|(start, length)| {
        let end = (start + length) % 1440;
        format!(
            "\"{:02}:{:02}-{:02}:{:02}\"",
            start / 60,
            start % 60,
            end / 60,
            end % 60
        )
    })
}

proptest! {
    /// What `next_poll` names is allowed, and nothing allowed lies before it.
    #[test]
    fn the_next_poll_is_the_first_allowed_time(
        polling in proptest::collection::vec(hours(), 0..3),
        quiet in proptest::collection::vec(hours(), 0..3),
        zone in prop_oneof![Just("Europe/Berlin"), Just("America/St_Johns"), Just("Australia/Lord_Howe"), Just("UTC")],
        minute in 0i64..(2 * 366 * 24 * 60),
    ) {
        let text = format!(
            "jitter-percent = 0\ntime-zone = \"{zone}\"\npolling-hours = [{}]\ndowntime = [{}]",
            polling.join(", "), quiet.join(", "),
        );
        // windows that leave no time at all are refused
        let Ok(schedule) = read(&text) else { return Ok(()) };
        let now = at("2026-01-01T00:00Z") + SignedDuration::from_mins(minute);
        let next = schedule.next_poll(now, None, 0);
        prop_assert!(next >= now);
        prop_assert_eq!(schedule.next_poll(next, None, 0), next);
        prop_assert!(!schedule.is_quiet(next));
        let mut probe = now;
        while probe < next {
            prop_assert_eq!(schedule.next_poll(probe, None, 0), next, "at {}", probe);
            probe += SignedDuration::from_mins(7);
        }
    }
}
