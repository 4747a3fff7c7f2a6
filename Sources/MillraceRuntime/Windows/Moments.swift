import MillraceCore

/// Mean and sum of squared deviations, kept by Welford's method (Technometrics 4, 1962), which does not cancel as the
/// difference of two large sums does. Flink computes the same way since 2.1.
struct Moments {
    var mean = 0.0
    /// Sum of squared deviations from the mean.
    var squares = 0.0

    /// `count`: with the new value.
    mutating func add(_ value: Double, count: Int64) {
        let before = value - mean
        mean += before / Double(count)
        squares += before * (value - mean)
    }

    /// Takes a value back. `count`: without it.
    mutating func remove(_ value: Double, count: Int64) {
        guard count > 0 else {
            self = Moments()
            return
        }
        let before = value - mean
        mean -= before / Double(count)
        squares -= before * (value - mean)
    }

    /// Two groups as one (Chan, Golub and LeVeque 1979).
    mutating func merge(_ other: Moments, count: Int64, otherCount: Int64) {
        guard count > 0 else {
            self = other
            return
        }
        let both = Double(count + otherCount)
        let distance = other.mean - mean
        mean += Double(otherCount) / both * distance
        // Added from the left, as Flink adds them: the last digits depend on it.
        squares = squares + other.squares + Double(count) * Double(otherCount) / both * distance * distance
    }

    /// Appends the statistic in the call's type: integers cut, decimals rounded half up. NULL below two values of a sample.
    func append(_ function: AggregateCall.Function, count: Int64, type: DataType, to column: Column) {
        let isSample = function == .stddevSamp || function == .varSamp
        let divisor = isSample ? count - 1 : count
        guard divisor > 0, squares >= 0 || squares.isNaN else {
            column.appendNull()
            return
        }
        var value = squares / Double(divisor)
        if function == .stddevPop || function == .stddevSamp { value = value.squareRoot() }
        switch type.layout {
        case .double: column.append(double: type == .float ? Double(Float(value)) : value)
        case .decimal:
            let (precision, scale) = type.exactPrecision ?? (38, 6)
            let scaled = (value * pow10(scale)).rounded(.toNearestOrAwayFromZero)
            if scaled.isFinite, scaled < pow10(precision) {
                column.append(decimal: Int128(scaled))
            } else {
                column.appendNull()
            }
        default:
            let bounded = value.isNaN ? 0 : min(max(value, -9.2e18), 9.2e18)
            column.append(int: Accumulators.wrap(Int64(bounded), to: type))
        }
    }

    private func pow10(_ exponent: Int) -> Double {
        var result = 1.0
        for _ in 0..<exponent { result *= 10 }
        return result
    }
}

extension Column {
    /// A numeric cell as DOUBLE.
    func double(at row: Int) -> Double {
        switch layout {
        case .double: return doubles[row]
        case .decimal:
            guard case .decimal(_, let scale) = type else { return Double(decimals[row]) }
            return Double(decimals[row]) / Double(Accumulators.power10(scale))
        default: return Double(ints[row])
        }
    }
}
