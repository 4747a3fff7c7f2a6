import MillraceCore

/// How one call of OVER keeps its state: in a part of the key's record, in a queue of row slots, in a set of values.
struct OverCallLayout {
    enum Kind {
        case count
        case sumInteger, sumDouble, sumFloat, sumDecimal
        case moments
        /// The queue holds, from the front, the extreme of the frame and what may become it when that one leaves.
        case minimum, maximum
        /// The queue holds the frame's values that are not NULL; with an unbounded frame only the one that counts.
        case first, last
        /// The queue holds the frame's values.
        case listAgg, arrayAgg, collect, percentile
        /// The queue holds the last `offset` + 1 rows.
        case lag
    }
    var call: OverCall
    var kind: Kind
    /// Where the record's part begins: a count (8 bytes, padded to 16), then a value of up to 32 bytes.
    var offset: Int
    var argument: Int?
    var filter: Int?
    /// Values are counted in a set; only the first of equal ones is added.
    var isDistinct = false
    /// Equal values are told apart when the result is made.
    var listsDistinct = false

    static let recordBytes = 48

    init(_ call: OverCall, offset: Int, input: Schema) throws(Diagnostic) {
        self.call = call
        self.offset = offset
        guard case .aggregate(let aggregate) = call else {
            kind = .lag
            if case .lag(let argument, _, _, _) = call { self.argument = argument }
            return
        }
        argument = aggregate.argument
        filter = aggregate.filter
        let type = aggregate.argument.map { input[$0].type } ?? .bigInt
        kind = try OverCallLayout.kind(aggregate.function, type)
        isDistinct = aggregate.isDistinct && !usesQueue
        listsDistinct = aggregate.isDistinct && [.listAgg, .arrayAgg, .collect, .percentile].contains(kind)
    }

    private static func kind(_ function: AggregateCall.Function, _ type: DataType) throws(Diagnostic) -> Kind {
        switch (function, type.layout) {
        case (.countAll, _), (.count, _): return .count
        case (.sum, .int64), (.average, .int64): return .sumInteger
        case (.sum, .double): return type == .float ? .sumFloat : .sumDouble
        case (.average, .double): return .sumDouble
        case (.sum, .decimal), (.average, .decimal): return .sumDecimal
        case (.stddevPop, _), (.stddevSamp, _), (.varPop, _), (.varSamp, _): return .moments
        case (.minimum, .int64), (.minimum, .double), (.minimum, .decimal), (.minimum, .bytes): return .minimum
        case (.maximum, .int64), (.maximum, .double), (.maximum, .decimal), (.maximum, .bytes): return .maximum
        case (.firstValue, _): return .first
        case (.lastValue, _): return .last
        case (.listAgg, .bytes): return .listAgg
        case (.arrayAgg, _): return .arrayAgg
        case (.collect, _): return .collect
        case (.percentile, .int64), (.percentile, .double), (.percentile, .decimal), (.areaUnderCurve, .double):
            return .percentile
        default: throw Diagnostic("aggregate \"\(function.rawValue)\" OVER has no state for \(type)", fault: .bug)
        }
    }

    var usesQueue: Bool {
        switch kind {
        case .minimum, .maximum, .first, .last, .listAgg, .arrayAgg, .collect, .percentile, .lag: true
        default: false
        }
    }

    /// NULLs are values to it.
    var keepsNulls: Bool { kind == .arrayAgg || kind == .lag }
}

/// The sum of DOUBLE values, of which some may be taken back: what is not finite is counted, not added, for an infinity that
/// leaves the frame must not stay behind as NaN.
struct RetractableSum {
    private var sum = WideSum()
    private var positiveInfinities: Int32 = 0
    private var negativeInfinities: Int32 = 0
    private var nans: Int32 = 0

    /// - Parameter isWide: keeps what rounding takes.
    mutating func add(_ value: Double, sign: Double, isFloat: Bool, isWide: Bool) {
        if value.isFinite, isWide {
            sum.add(sign * value)
        } else if value.isFinite {
            let next = sum.value + sign * value
            sum.value = isFloat ? Double(Float(next)) : next
        } else if value.isNaN {
            nans += Int32(sign)
        } else if value > 0 {
            positiveInfinities += Int32(sign)
        } else {
            negativeInfinities += Int32(sign)
        }
    }

    var value: Double {
        if nans > 0 || positiveInfinities > 0 && negativeInfinities > 0 { return .nan }
        if positiveInfinities > 0 { return .infinity }
        return negativeInfinities > 0 ? -.infinity : sum.value
    }
}
