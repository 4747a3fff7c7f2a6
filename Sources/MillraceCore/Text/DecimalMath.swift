/// Exact arithmetic on DECIMAL(38) unscaled values.
///
/// Intermediates have 256 bits, so no digit is lost before the one rounding, which is half-up (away from zero), as in
/// Java's `BigDecimal` with `RoundingMode.HALF_UP`. Results that need more than `precision` digits are nil.
public enum DecimalMath {
    @usableFromInline static let powers: [Int128] = {
        var all: [Int128] = [1]
        for _ in 1...38 { all.append(all.last! * 10) }
        return all
    }()

    /// 10 to the power of `n`, 0 ... 38.
    @inlinable public static func power10(_ n: Int) -> Int128 { powers[n] }

    /// True when the value has at most `precision` digits.
    @inlinable public static func fits(_ value: Int128, precision: Int) -> Bool {
        value.magnitude < powers[precision].magnitude
    }

    /// The same number at another scale, half-up; nil when it needs more than 38 digits.
    public static func rescale(_ value: Int128, from: Int, to: Int) -> Int128? {
        if from == to { return value }
        if to > from {
            if value == 0 { return 0 }
            guard to - from <= 38 else { return nil }
            let (result, overflow) = value.multipliedReportingOverflow(by: power10(to - from))
            return overflow || !fits(result, precision: 38) ? nil : result
        }
        guard from - to <= 38 else { return 0 }
        return roundedQuotient(value, power10(from - to))
    }

    /// As `rescale`, and nil when the result does not fit `precision`.
    public static func rescale(_ value: Int128, from: Int, to: Int, precision: Int) -> Int128? {
        guard let result = rescale(value, from: from, to: to), fits(result, precision: precision) else { return nil }
        return result
    }

    /// value / divisor, half-up; the divisor is positive.
    @inline(__always)
    static func roundedQuotient(_ value: Int128, _ divisor: Int128) -> Int128 {
        let (quotient, remainder) = value.quotientAndRemainder(dividingBy: divisor)
        if remainder.magnitude >= divisor.magnitude - remainder.magnitude { return quotient + (value < 0 ? -1 : 1) }
        return quotient
    }

    /// Negative, zero or positive.
    public static func compare(_ a: Int128, scale aScale: Int, _ b: Int128, scale bScale: Int) -> Int {
        if aScale == bScale { return a == b ? 0 : (a < b ? -1 : 1) }
        if (a < 0) != (b < 0) { return a < b ? -1 : 1 }
        let common = max(aScale, bScale)
        let (x, y) = (Wide(a, times10: common - aScale), Wide(b, times10: common - bScale))
        let order = x.compare(y)
        return a < 0 ? -order : order
    }

    public static func add(
        _ a: Int128, scale aScale: Int, _ b: Int128, scale bScale: Int, precision: Int, scale: Int
    ) -> Int128? {
        let common = max(aScale, bScale)
        if let x = rescale(a, from: aScale, to: common), let y = rescale(b, from: bScale, to: common) {
            // Two values of 38 digits can exceed Int128 by a bit.
            let (sum, overflow) = x.addingReportingOverflow(y)
            if !overflow { return rescaleWide(sum, from: common, to: scale, precision: precision) }
        }
        let (x, y) = (Wide(a, times10: common - aScale), Wide(b, times10: common - bScale))
        if (a < 0) == (b < 0) { return x.adding(y).shifted(by: scale - common, negative: a < 0, precision: precision) }
        let order = x.compare(y)
        if order == 0 { return 0 }
        return order > 0
            ? x.subtracting(y).shifted(by: scale - common, negative: a < 0, precision: precision)
            : y.subtracting(x).shifted(by: scale - common, negative: b < 0, precision: precision)
    }

    public static func subtract(
        _ a: Int128, scale aScale: Int, _ b: Int128, scale bScale: Int, precision: Int, scale: Int
    ) -> Int128? {
        add(a, scale: aScale, -b, scale: bScale, precision: precision, scale: scale)
    }

    public static func multiply(
        _ a: Int128, scale aScale: Int, _ b: Int128, scale bScale: Int, precision: Int, scale: Int
    ) -> Int128? {
        let (product, overflow) = a.multipliedReportingOverflow(by: b)
        if !overflow { return rescaleWide(product, from: aScale + bScale, to: scale, precision: precision) }
        let wide = a.magnitude.multipliedFullWidth(by: b.magnitude)
        return Wide(high: wide.high, low: wide.low)
            .shifted(by: scale - aScale - bScale, negative: (a < 0) != (b < 0), precision: precision)
    }

    /// a / b. The divisor is not zero: the caller has made that an error cell.
    public static func divide(
        _ a: Int128, scale aScale: Int, _ b: Int128, scale bScale: Int, precision: Int, scale: Int
    ) -> Int128? {
        precondition(b != 0, "decimal division by zero")
        if a == 0 { return 0 }
        let shift = scale - aScale + bScale
        let isNegative = (a < 0) != (b < 0)
        var numerator = Wide(high: 0, low: a.magnitude)
        var divisor = b.magnitude
        if shift >= 0 {
            guard let scaled = numerator.times10(shift) else { return nil }
            numerator = scaled
        } else {
            guard -shift <= 38 else { return 0 }
            let (scaled, overflow) = divisor.multipliedReportingOverflow(by: power10(-shift).magnitude)
            // More than twice any numerator: the quotient rounds to zero.
            if overflow { return 0 }
            divisor = scaled
        }
        let (quotient, remainder) = numerator.divided(by: divisor)
        return signed(quotient, roundUp: remainder >= divisor - remainder, negative: isNegative, precision: precision)
    }

    /// a - b × trunc(a / b), with the dividend's sign. The divisor is not zero.
    public static func remainder(
        _ a: Int128, scale aScale: Int, _ b: Int128, scale bScale: Int, precision: Int, scale: Int
    ) -> Int128? {
        precondition(b != 0, "decimal modulo by zero")
        let common = max(aScale, bScale)
        let divisor = Wide(b, times10: common - bScale)
        let dividend = Wide(a, times10: common - aScale)
        if divisor.high != 0 {
            // Such a divisor exceeds every value of its own scale, and the dividend has not been scaled up.
            return rescaleWide(a, from: aScale, to: scale, precision: precision)
        }
        let rest = dividend.divided(by: divisor.low).remainder
        return Wide(high: 0, low: rest).shifted(by: scale - common, negative: a < 0, precision: precision)
    }

    private static func rescaleWide(_ value: Int128, from: Int, to: Int, precision: Int) -> Int128? {
        if from == to { return fits(value, precision: precision) ? value : nil }
        if to < from, from - to <= 38 {
            let result = roundedQuotient(value, power10(from - to))
            return fits(result, precision: precision) ? result : nil
        }
        return Wide(high: 0, low: value.magnitude).shifted(by: to - from, negative: value < 0, precision: precision)
    }

    fileprivate static func signed(_ magnitude: Wide, roundUp: Bool, negative: Bool, precision: Int) -> Int128? {
        guard magnitude.high == 0, magnitude.low < powers[38].magnitude else { return nil }
        let value = Int128(magnitude.low) + (roundUp ? 1 : 0)
        guard fits(value, precision: precision) else { return nil }
        return negative ? -value : value
    }

    /// An unsigned number of 256 bits.
    fileprivate struct Wide {
        var high: UInt128
        var low: UInt128

        init(high: UInt128, low: UInt128) {
            self.high = high
            self.low = low
        }

        /// |value| × 10^n, n at most 38: always below 2^256.
        init(_ value: Int128, times10 n: Int) {
            let wide = value.magnitude.multipliedFullWidth(by: power10(n).magnitude)
            self.init(high: wide.high, low: wide.low)
        }

        func compare(_ other: Wide) -> Int {
            if high != other.high { return high < other.high ? -1 : 1 }
            return low == other.low ? 0 : (low < other.low ? -1 : 1)
        }

        func adding(_ other: Wide) -> Wide {
            let (sum, carry) = low.addingReportingOverflow(other.low)
            return Wide(high: high &+ other.high &+ (carry ? 1 : 0), low: sum)
        }

        func subtracting(_ other: Wide) -> Wide {
            let (difference, borrow) = low.subtractingReportingOverflow(other.low)
            return Wide(high: high &- other.high &- (borrow ? 1 : 0), low: difference)
        }

        func divided(by divisor: UInt128) -> (quotient: Wide, remainder: UInt128) {
            if high == 0 {
                let (quotient, remainder) = low.quotientAndRemainder(dividingBy: divisor)
                return (Wide(high: 0, low: quotient), remainder)
            }
            let (top, rest) = high.quotientAndRemainder(dividingBy: divisor)
            let (quotient, remainder) = divisor.dividingFullWidth((rest, low))
            return (Wide(high: top, low: quotient), remainder)
        }

        /// nil when the product needs more than 256 bits.
        func times10(_ n: Int) -> Wide? {
            var result = self
            var left = n
            while left > 0 {
                if result.high == 0 && result.low == 0 { return result }
                let step = min(left, 38)
                let factor = power10(step).magnitude
                let lower = result.low.multipliedFullWidth(by: factor)
                let (upper, overflow) = result.high.multipliedReportingOverflow(by: factor)
                let (sum, carry) = upper.addingReportingOverflow(lower.high)
                guard !overflow, !carry else { return nil }
                result = Wide(high: sum, low: lower.low)
                left -= step
            }
            return result
        }

        /// The signed value × 10^n, half-up.
        func shifted(by n: Int, negative: Bool, precision: Int) -> Int128? {
            if n >= 0 {
                guard let scaled = times10(n) else { return nil }
                return signed(scaled, roundUp: false, negative: negative, precision: precision)
            }
            var value = self
            var places = -n
            // Cutting first is exact: half of the last step is a multiple of what was cut.
            while places > 38 {
                let step = min(places - 38, 38)
                value = value.divided(by: power10(step).magnitude).quotient
                places -= step
            }
            let divisor = power10(places).magnitude
            let (quotient, remainder) = value.divided(by: divisor)
            return signed(
                quotient, roundUp: remainder >= divisor - remainder, negative: negative, precision: precision)
        }
    }
}
