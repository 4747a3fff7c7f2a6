import MillraceCore
import MillraceSQL

/// STRUCT, and the preprocessing functions of BigQuery ML that look at one row. They become plain expressions, so that a
/// pipeline prepares features exactly as the training did.
///
/// Semantics: cloud.google.com/bigquery, "Manual feature preprocessing".
extension ExpressionBinder {
    static let preprocessingNames = ["ML.BUCKETIZE", "ML.FEATURE_CROSS", "ML.HASH_BUCKETIZE", "ML.POLYNOMIAL_EXPAND"]

    /// Those that need the mean, the extremes or the quantiles of all rows, with what stands for them on a stream.
    private static let analytic: [String: String] = [
        "ML.STANDARD_SCALER": "Write (x - mean) / deviation with the training's numbers.",
        "ML.MIN_MAX_SCALER":
            "Write GREATEST(0, LEAST(1, (x - minimum) / (maximum - minimum))) with the training's numbers.",
        "ML.MAX_ABS_SCALER": "Write x / maximum with the training's number.",
        "ML.ROBUST_SCALER": "Write (x - median) / range with the training's numbers.",
        "ML.QUANTILE_BUCKETIZE": "Write ML.BUCKETIZE(x, [q1, q2, …]) with the training's quantiles.",
        "ML.IMPUTER": "Write COALESCE(x, number) with the training's number.",
        "ML.LABEL_ENCODER": "Write CASE x WHEN 'a' THEN 1 … END with the training's categories.",
    ]

    func preprocessing(_ call: CallSyntax, _ name: String, _ range: SourceRange) -> Bound? {
        if let instead = Self.analytic[name] {
            return fail("\(name) needs statistics of all rows, which a stream does not have", range, instead)
        }
        if call.over != nil { return fail("\(name) takes no OVER", range) }
        let arguments = call.arguments.map(\.value)
        switch name {
        case "ML.BUCKETIZE": return bucketize(arguments, range)
        case "ML.HASH_BUCKETIZE": return hashBucketize(arguments, range)
        case "ML.POLYNOMIAL_EXPAND": return polynomial(arguments, range)
        case "ML.FEATURE_CROSS": return featureCross(arguments, range)
        default:
            let known = Self.preprocessingNames + Self.analytic.keys.sorted()
            return fail("unknown function \"\(name)\"", call.name.range, functions.instead(of: name, known: known))
        }
    }

    // MARK: STRUCT

    /// `STRUCT(a, 1 AS b)`: a ROW with names; a column gives its own.
    func structValue(_ arguments: [CallSyntax.ArgumentSyntax]) -> Bound? {
        let bound = arguments.map { bind($0.value) }
        let parts = bound.compactMap { $0 }
        guard parts.count == arguments.count else { return nil }
        let fields = zip(arguments, parts).enumerated().map { position, part in
            Field(Self.fieldName(part.0) ?? "EXPR$\(position)", part.1.type, isNullable: part.1.isNullable)
        }
        return Bound(.call(.rowConstructor, parts.map(\.expression), .row(fields)), isNullable: false)
    }

    private static func fieldName(_ argument: CallSyntax.ArgumentSyntax) -> String? {
        argument.name?.text ?? argument.value.derivedName
    }

    /// The named features of `STRUCT(…)`, one to ten of them.
    private func features(
        _ arguments: [ExpressionSyntax], _ function: String, _ range: SourceRange
    ) -> [(name: String, bound: Bound, range: SourceRange)]? {
        guard let first = arguments.first, case .call(let call) = first.kind, call.name.text.uppercased() == "STRUCT"
        else {
            _ = fail(
                "\(function) takes STRUCT(…) first", arguments.first?.range ?? range, "Write \(function)(STRUCT(a, b))."
            )
            return nil
        }
        guard (1...10).contains(call.arguments.count) else {
            _ = fail("\(function) takes 1 to 10 features, not \(call.arguments.count)", first.range)
            return nil
        }
        var features: [(name: String, bound: Bound, range: SourceRange)] = []
        var isFine = true
        for argument in call.arguments {
            guard let bound = bind(argument.value) else {
                isFine = false
                continue
            }
            guard let name = Self.fieldName(argument) else {
                _ = fail("a feature of \(function) has no name", argument.value.range, "Write … AS name.")
                isFine = false
                continue
            }
            guard !features.contains(where: { $0.name == name }) else {
                _ = fail("feature \"\(name)\" of \(function) is there twice", argument.value.range)
                isFine = false
                continue
            }
            features.append((name, bound, argument.value.range))
        }
        return isFine ? features : nil
    }

    private func degree(
        _ arguments: [ExpressionSyntax], _ function: String, _ allowed: ClosedRange<Int>, _ range: SourceRange
    ) -> Int? {
        guard arguments.count <= 2 else {
            _ = fail("\(function) takes STRUCT(…) and a degree", range)
            return nil
        }
        guard arguments.count == 2 else { return 2 }
        guard case .number(let text) = arguments[1].kind, let degree = Int(text), allowed.contains(degree) else {
            _ = fail("the degree of \(function) is \(allowed.lowerBound) to \(allowed.upperBound)", arguments[1].range)
            return nil
        }
        return degree
    }

    /// Ascending lists of features, each before those that go on from it. `repeating`: the next may be the same again.
    private static func combinations(_ count: Int, _ degree: Int, repeating: Bool) -> [[Int]] {
        func after(_ path: [Int]) -> [[Int]] {
            guard path.count < degree else { return [] }
            let start = path.last.map { repeating ? $0 : $0 + 1 } ?? 0
            return (start..<max(start, count)).flatMap { [path + [$0]] + after(path + [$0]) }
        }
        return after([])
    }

    private func row(_ items: [(name: String, bound: Bound)]) -> Bound {
        let fields = items.map { Field($0.name, $0.bound.type, isNullable: $0.bound.isNullable) }
        return Bound(.call(.rowConstructor, items.map(\.bound.expression), .row(fields)), isNullable: false)
    }

    // MARK: Functions

    /// All products of the features up to a degree, as text: `f1`, `f1_f1`, `f1_f2`, `f2`, `f2_f2`.
    private func polynomial(_ arguments: [ExpressionSyntax], _ range: SourceRange) -> Bound? {
        let function = "ML.POLYNOMIAL_EXPAND"
        guard let features = features(arguments, function, range),
            let degree = degree(arguments, function, 1...4, range)
        else { return nil }
        var isFine = true
        for feature in features where !feature.bound.type.isNumeric {
            _ = fail("\(function) takes numbers, not \(feature.bound.type)", feature.range)
            isFine = false
        }
        guard isFine else { return nil }
        let numbers = features.map { Bound(cast($0.bound.expression, to: .double), isNullable: $0.bound.isNullable) }
        let items = Self.combinations(features.count, degree, repeating: true).map { path in
            let product = path.dropFirst().reduce(numbers[path[0]]) { strict(.multiply, [$0, numbers[$1]], .double) }
            return (
                name: path.map { features[$0].name }.joined(separator: "_"),
                bound: Bound(cast(product.expression, to: .string), isNullable: product.isNullable)
            )
        }
        return row(items)
    }

    /// All combinations of different features up to a degree, joined by `_`.
    private func featureCross(_ arguments: [ExpressionSyntax], _ range: SourceRange) -> Bound? {
        let function = "ML.FEATURE_CROSS"
        guard let features = features(arguments, function, range),
            let degree = degree(arguments, function, 2...4, range)
        else { return nil }
        guard features.count > 1 else { return fail("\(function) takes at least 2 features", range) }
        var texts: [Bound] = []
        for feature in features {
            let bound = feature.bound
            if bound.type.isCharacter {
                texts.append(bound)
            } else if bound.type == .boolean {
                // BigQuery's text of a truth value, which is not Flink's.
                let branches = [(BuiltinFunction.isTrue, "true"), (.isFalse, "false")].map { function, text in
                    Expression.Branch(
                        condition: test(function, [bound.expression]).expression,
                        result: .literal(.string(text), .string))
                }
                texts.append(Bound(.conditional(branches, otherwise: nil, .string), isNullable: true))
            } else if bound.type.isInteger {
                texts.append(Bound(cast(bound.expression, to: .string), isNullable: bound.isNullable))
            } else {
                return fail("\(function) takes STRING, not \(bound.type)", feature.range, "Write CAST(… AS STRING).")
            }
        }
        let separator = literal(.string("_"), .string)
        let items = Self.combinations(features.count, degree, repeating: false).filter { $0.count > 1 }.map { path in
            let parts = path.dropFirst().reduce([texts[path[0]]]) { $0 + [separator, texts[$1]] }
            return (name: path.map { features[$0].name }.joined(separator: "_"), bound: strict(.concat, parts, .string))
        }
        return row(items)
    }

    /// FarmHash's fingerprint as an unsigned number, modulo n; n = 0 leaves it.
    private func hashBucketize(_ arguments: [ExpressionSyntax], _ range: SourceRange) -> Bound? {
        guard arguments.count == 2 else { return fail("ML.HASH_BUCKETIZE takes a text and a number of buckets", range) }
        guard let text = bind(arguments[0]) else { return nil }
        guard text.type.isCharacter || text.type == .null else {
            return fail(
                "ML.HASH_BUCKETIZE takes STRING, not \(text.type)", arguments[0].range, "Write CAST(… AS STRING).")
        }
        guard case .number(let digits) = arguments[1].kind, let count = Int64(digits), count < 1 << 62 else {
            return fail("the number of buckets is a whole number of 0 or more", arguments[1].range)
        }
        let hash = strict(
            .farmFingerprint, [Bound(cast(text.expression, to: .string), isNullable: text.isNullable)], .bigInt)
        guard count > 0 else { return hash }
        let divisor = literal(.integer(count), .bigInt)
        let rest = strict(.modulo, [hash, divisor], .bigInt)
        // A negative hash stands for 2^64 more, whose remainder is a constant.
        let shift = Int64((UInt64.max % UInt64(count) + 1) % UInt64(count)) + count
        let shifted = strict(
            .modulo, [strict(.add, [rest, literal(.integer(shift), .bigInt)], .bigInt), divisor], .bigInt)
        let isNegative = strict(.less, [hash, literal(.integer(0), .bigInt)], .boolean)
        return Bound(
            .conditional(
                [.init(condition: isNegative.expression, result: shifted.expression)], otherwise: rest.expression,
                .bigInt),
            isNullable: hash.isNullable)
    }

    /// The bucket between ascending split points: `bin_2`, `[2, 3)` or `{"start": "2", "end": "3"}`. NULL stays NULL.
    private func bucketize(_ arguments: [ExpressionSyntax], _ range: SourceRange) -> Bound? {
        guard (2...4).contains(arguments.count) else {
            return fail("ML.BUCKETIZE takes a number and split points", range, "Write ML.BUCKETIZE(x, [1, 2, 3]).")
        }
        guard let value = bind(arguments[0]) else { return nil }
        guard value.type.isNumeric else {
            return fail("ML.BUCKETIZE takes a number, not \(value.type)", arguments[0].range)
        }
        guard case .arrayValue(let points) = arguments[1].kind, !points.isEmpty else {
            return fail("the split points are an array of numbers", arguments[1].range, "Write them as [1, 2, 3].")
        }
        var splits: [(bound: Bound, text: String, number: Double)] = []
        for point in points {
            guard let bound = bind(point) else { return nil }
            guard case .literal(let literal, let type) = bound.expression, type.isNumeric,
                let number = literal.number(type)
            else { return fail("a split point is a number", point.range) }
            if let last = splits.last, last.number >= number {
                return fail("the split points do not ascend", point.range)
            }
            let text = number == number.rounded() && abs(number) < 1e15 ? "\(Int64(number))" : "\(number)"
            splits.append((bound, text, number))
        }
        var format = "bucket_names"
        for (position, argument) in arguments[2...].enumerated() {
            switch argument.kind {
            case .boolean(let excludes) where position == 0:
                if excludes { splits = Array(splits.dropFirst().dropLast()) }
            case .string(let text, _):
                let formats = ["bucket_names", "bucket_ranges", "bucket_ranges_json"]
                guard formats.contains(text) else {
                    return fail(
                        "unknown format \"\(text)\" of ML.BUCKETIZE", argument.range,
                        NearestName.hint(text, in: formats) ?? "The formats are \(formats.joined(separator: ", ")).")
                }
                format = text
            default: return fail("ML.BUCKETIZE takes TRUE or FALSE, then a format", argument.range)
            }
        }
        func name(_ bucket: Int) -> Bound {
            let low = bucket == 0 ? nil : splits[bucket - 1].text
            let high = bucket == splits.count ? nil : splits[bucket].text
            let text =
                switch format {
                case "bucket_ranges": "\(low.map { "[" + $0 } ?? "(-inf"), \(high ?? "+inf"))"
                case "bucket_ranges_json": #"{"start": "\#(low ?? "-Infinity")", "end": "\#(high ?? "Infinity")"}"#
                default: "bin_\(bucket + 1)"
                }
            return literal(.string(text), .string)
        }
        var branches = [
            Expression.Branch(
                condition: test(.isNull, [value.expression]).expression, result: .literal(.null, .string))
        ]
        for (bucket, split) in splits.enumerated() {
            guard let (a, b) = comparable(value, split.bound, "ML.BUCKETIZE", range) else { return nil }
            branches.append(
                .init(condition: strict(.less, [a, b], .boolean).expression, result: name(bucket).expression))
        }
        return Bound(
            .conditional(branches, otherwise: name(splits.count).expression, .string), isNullable: value.isNullable)
    }
}

extension Value {
    /// A numeric literal as a double; nil for others and for what is not finite.
    fileprivate func number(_ type: DataType) -> Double? {
        let number: Double? =
            switch self {
            case .integer(let value): Double(value)
            case .double(let value): value
            case .decimal(let value):
                if case .decimal(_, let scale) = type { Double("\(value)e-\(scale)") } else { nil }
            default: nil
            }
        return number.flatMap { $0.isFinite ? $0 : nil }
    }
}
