//! Amounts of money: exact, because prices are decimal text.

use std::fmt;

/// Decimal places that are kept; a price has no more that differ from zero.
const PLACES: usize = 18;
/// One, in the smallest unit.
const ONE: u128 = 10_u128.pow(PLACES as u32);

/// An amount of money that is not negative. Shown with two decimal places, rounded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Money(u128);

impl Money {
    /// Reads decimal text; `None` when it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let fraction = fraction.trim_end_matches('0');
        if whole.is_empty() || !digits(whole) || !digits(fraction) || fraction.len() > PLACES {
            return None;
        }
        let units = format!("{whole}{fraction:0<PLACES$}").parse().ok()?;
        Some(Self(units))
    }

    /// The sum; `None` when it is too large.
    pub fn plus(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// So many times the amount; `None` when that is too large.
    pub fn times(self, count: u64) -> Option<Self> {
        self.0.checked_mul(u128::from(count)).map(Self)
    }

    /// So many percent of the amount; `None` when that is too large or has too many decimal places.
    pub fn percent(self, percent: Self) -> Option<Self> {
        const PERCENT: u128 = 1_000_000;
        // Whole millionths of a percent keep the product within bounds.
        let percent = exactly(percent.0, ONE / PERCENT)?;
        let product = self.0.checked_mul(percent)?;
        exactly(product, 100 * PERCENT).map(Self)
    }

    /// All decimal places, two at least.
    pub fn exact(self) -> String {
        let fraction = format!("{:0PLACES$}", self.0 % ONE);
        let fraction = fraction.trim_end_matches('0');
        format!("{}.{fraction:0<2}", self.0 / ONE)
    }
}

/// The quotient, when nothing remains.
fn exactly(dividend: u128, divisor: u128) -> Option<u128> {
    dividend
        .is_multiple_of(divisor)
        .then_some(dividend / divisor)
}

impl fmt::Display for Money {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        const CENT: u128 = ONE / 100;
        let cents = self.0.saturating_add(CENT / 2) / CENT;
        let text = format!("{}.{:02}", cents / 100, cents % 100);
        formatter.pad(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact_and_shown_in_cents() {
        let cases = [
            ("5.4900000000", "5.49", "5.49"),
            ("6.5331000000000000", "6.53", "6.5331"),
            ("0.005", "0.01", "0.005"),
            ("0.0049", "0.00", "0.0049"),
            ("12", "12.00", "12.00"),
        ];
        for (text, shown, exact) in cases {
            let money = Money::parse(text).unwrap();
            assert_eq!(
                (money.to_string(), money.exact()),
                (shown.to_owned(), exact.to_owned()),
                "{text}"
            );
        }
        let each = Money::parse("0.0572").unwrap();
        let all = each.times(100).unwrap().plus(each).unwrap();
        assert_eq!(all.exact(), "5.7772");
        let percent = |percent| all.percent(Money::parse(percent).unwrap());
        assert_eq!(percent("20.0000000000").unwrap().exact(), "1.15544");
        assert_eq!(percent("0.0000001"), None);
    }

    #[test]
    fn what_is_no_amount_is_not_read() {
        for text in ["", "free", "-1", ".5", "1.2.3", "0.0000000000000000001"] {
            assert_eq!(Money::parse(text), None, "{text}");
        }
        let largest = Money::parse("340282366920938463463").unwrap();
        assert_eq!(largest.times(2), None);
    }
}
