import MillraceCore

/// A sum of DOUBLE values kept in two of them, so that the order of additions and subtractions leaves no trace but in the
/// last of some hundred bits (Knuth's two-sum; Dekker 1971). Finite values only; past the largest one it stays infinite.
struct WideSum {
    var value = 0.0
    /// What rounding has taken from `value`.
    private var rest = 0.0

    init() {}

    private init(_ value: Double, _ rest: Double) {
        self.value = value
        self.rest = rest
    }

    mutating func add(_ term: Double) {
        let sum = value + term
        guard sum.isFinite else {
            self = WideSum(sum, 0)
            return
        }
        let rounded = sum - value
        let lost = rest + ((value - (sum - rounded)) + (term - rounded))
        value = sum + lost
        // Once more exactly: after values have cancelled out, `lost` may be the larger one.
        let part = value - sum
        rest = (sum - (value - part)) + (lost - part)
    }

    /// Adds `sign` times the square of `term`.
    mutating func addSquare(_ term: Double, sign: Double) {
        let square = term * term
        guard square.isFinite else {
            self = WideSum(sign * square, 0)
            return
        }
        add(sign * square)
        add(sign * (-square).addingProduct(term, term))
    }

    func subtracting(_ other: WideSum) -> WideSum {
        var result = self
        result.add(-other.value)
        result.add(-other.rest)
        return result
    }

    /// The square of the sum, divided by `count`.
    func squared(over count: Double) -> WideSum {
        var square = WideSum()
        square.addSquare(value, sign: 1)
        square.add(2 * value * rest)
        let quotient = square.value / count
        // The remainder of the division, exactly.
        let remainder = (square.value - quotient * count) - (-(quotient * count)).addingProduct(quotient, count)
        var result = WideSum()
        result.add(quotient)
        result.add((remainder + square.rest) / count)
        return result
    }
}

/// Variance and deviation of values that come and go, from wide sums of the values and of their squares.
struct WideMoments {
    private var sum = WideSum()
    private var squares = WideSum()

    mutating func add(_ value: Double, sign: Double) {
        sum.add(sign * value)
        squares.addSquare(value, sign: sign)
    }

    func moments(count: Int64) -> Moments {
        var result = Moments()
        guard count > 0 else { return result }
        result.mean = sum.value / Double(count)
        result.squares = max(0, squares.subtracting(sum.squared(over: Double(count))).value)
        return result
    }
}
